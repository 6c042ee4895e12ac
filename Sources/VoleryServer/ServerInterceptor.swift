public import VoleryTypes

/// Stands between a server's clients and its handlers: sees each call before its handler, and how it ends; may change its
/// metadata, look at and replace its messages, answer it by itself, and change its outcome. One shape for all four kinds of
/// call:
///
///     struct RequireToken: ServerInterceptor {
///       func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
///         guard call.metadata["authorization"] == "Bearer letmein" else {
///           throw StatusError(.unauthenticated, "no token, or another one")
///         }
///         try await next()
///       }
///     }
///     var options = ServerOptions()
///     options.interceptors = [RequireToken()]
///
/// `next()` runs the rest: the interceptors behind this one, and at last the handler. It returns when the handler has
/// returned, and throws what the handler has thrown. What `intercept` throws is how the call ends for whoever is in front: at
/// last for the client, which is told of it as of what a handler throws (`MethodHandler`).
///
/// They stand around every call that reaches the server, the first one outermost: those of unknown methods, which end with
/// UNIMPLEMENTED behind the last interceptor, and health checks included. `only` leaves some methods out.
///
/// The rules:
/// - `intercept` goes on exactly once (`next()`), or does not and answers (`respond`), or throws. One that does none of it, or
///   goes on twice, ends its call with INTERNAL, and its own type's name goes into the log.
/// - It runs in the handler's task, where the handler runs: on the event loop as a rule, which it must not block
///   (Docs/BlockingHandlers.md); what it binds to the task (`TaskLocal.withValue`) around `next` holds for the handler.
/// - The task is cancelled when the client cancels, the connection is lost or the deadline passes; the client has its answer then
///   whatever an interceptor goes on to do.
/// - The response of a method whose server does not stream is sent when the last interceptor has returned; those of a stream as
///   they come.
/// - Different calls come at the same time, from any thread.
public protocol ServerInterceptor: Sendable {
  /// Called once for each call, in the handler's task; what it throws is how the call ends.
  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws

  /// Whether it stands around this method's calls: asked once for each method when the server is made, and for each call of a
  /// method that the server does not know. True, if nothing else is said.
  func isFor(_ method: MethodDescriptor) -> Bool
}

extension ServerInterceptor {
  /// True: around the calls of every method.
  public func isFor(_ method: MethodDescriptor) -> Bool { true }

  /// This interceptor for some methods only.
  ///
  ///     AccessLog().only { $0.service != "grpc.health.v1.Health" }
  public func only(_ isFor: @escaping @Sendable (MethodDescriptor) -> Bool) -> some ServerInterceptor {
    SelectiveInterceptor(interceptor: self, predicate: isFor)
  }

  /// This interceptor for the methods of these services, by full name.
  public func only(services: Set<String>) -> some ServerInterceptor { only { services.contains($0.service) } }

  /// This interceptor for these methods, by path: `/package.Service/Method`.
  public func only(methods: Set<String>) -> some ServerInterceptor { only { methods.contains($0.path) } }
}

private struct SelectiveInterceptor<Wrapped: ServerInterceptor>: ServerInterceptor, Interception
    .SelectiveInterceptorType
{
  static var selected: Any.Type { Wrapped.self }

  let interceptor: Wrapped
  let predicate: @Sendable (MethodDescriptor) -> Bool

  func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
    try await interceptor.intercept(call, next)
  }

  func isFor(_ method: MethodDescriptor) -> Bool { predicate(method) && interceptor.isFor(method) }
}
