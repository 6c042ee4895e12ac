public import VoleryTypes

/// Stands between a caller and its calls: sees each call before it starts, and how it ends; may change its metadata and its
/// deadline, look at and replace its messages, answer it by itself, and change its outcome. One shape for all four kinds of
/// call:
///
///     struct RequestID: ClientInterceptor {
///       func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
///         call.metadata["x-request-id"] = makeID()
///         do {
///           try await next()
///         } catch {
///           print(call.method.path, "failed:", error)
///           throw error
///         }
///       }
///     }
///     var options = ChannelOptions()
///     options.interceptors = [RequestID()]
///     let greeter = GreeterClient(try Channel("dns:///greeter:50051", options: options))
///
/// `next()` runs the rest: the interceptors behind this one, and at last the call. It returns when the server has ended the call
/// with OK, and throws `StatusError` when the call has ended otherwise. Of a server's stream every response has come by then, and
/// waits for the caller, who may have read none of it yet. What `intercept` throws is how the call ends for whoever is in front: a
/// `StatusError` as it is, CANCELLED for a `CancellationError`, UNKNOWN with the interceptor's type and the error's text for anything
/// else.
///
/// Where interceptors stand: those of the channel (`ChannelOptions.interceptors`) before those of a `CallInvoker`, each list
/// from the outside in, around the call as the caller sees it. `ChannelOptions.attemptInterceptors` stand around each attempt
/// instead: a call that is retried or hedged comes to them several times, with `ClientInvocation.attempt` and the server.
///
/// The rules:
/// - `intercept` goes on exactly once (`next()`), or does not and answers (`respond`), or throws. One that does none of it, or
///   goes on twice, ends its call with INTERNAL and its own type's name.
/// - It runs in the caller's task, or in a task of the call's own where the call streams or has a deadline. A deadline that
///   passes, and a caller who cancels, end the call at once, whatever an interceptor is doing; its task is cancelled then.
/// - It may suspend. What it blocks, it blocks for its own call.
/// - Different calls come at the same time, from any thread.
public protocol ClientInterceptor: Sendable {
  /// Called once for each call, or attempt, before it starts; it is over for the caller when this returns or throws.
  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws
}

extension ClientInterceptor {
  /// This interceptor for some methods only; others pass it by. The predicate is asked for each call.
  ///
  ///     AccessLog().only { $0.service == "shop.Orders" }
  public func only(_ isFor: @escaping @Sendable (MethodDescriptor) -> Bool) -> some ClientInterceptor {
    SelectiveInterceptor(interceptor: self, isFor: isFor)
  }

  /// This interceptor for the methods of these services, by full name.
  public func only(services: Set<String>) -> some ClientInterceptor { only { services.contains($0.service) } }

  /// This interceptor for these methods, by path: `/package.Service/Method`.
  public func only(methods: Set<String>) -> some ClientInterceptor { only { methods.contains($0.path) } }
}

private struct SelectiveInterceptor<Wrapped: ClientInterceptor>: ClientInterceptor, Interception
    .SelectiveInterceptorType
{
  static var selected: Any.Type { Wrapped.self }

  let interceptor: Wrapped
  let isFor: @Sendable (MethodDescriptor) -> Bool

  func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    if isFor(call.method) { try await interceptor.intercept(call, next) } else { try await next() }
  }
}
