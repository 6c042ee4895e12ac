public import VoleryTypes

/// A method with the code that answers it.
///
/// The code runs in a task of its own, on the event loop of the call's connection unless `executor` says otherwise: while
/// it computes without suspending, the other calls of that loop wait (Docs/BlockingHandlers.md). The task is cancelled when the client cancels, the
/// connection is lost or the deadline passes.
///
/// What it throws becomes the call's status: a `StatusError` that the handler has made as it is, anything else UNKNOWN without
/// details, also the failure of a call that the handler has made. Such an error is logged, once, with its method
/// (`ServerOptions.logger`, at `error`; at `debug` where the call had ended before).
public struct MethodHandler: Sendable {
  /// Where a handler runs.
  public enum Executor: Sendable {
    /// On the connection's event loop: no hop, the fastest. For code that neither blocks nor computes for long.
    case eventLoop
    /// On Swift's shared pool, which has a thread for each core: for code that computes for long.
    case sharedPool
    /// On an executor of your own: `BlockingThreads`, as a rule, for code that waits inside a system call or a lock.
    case taskExecutor(any TaskExecutor)
  }

  /// The method that it answers.
  public let descriptor: MethodDescriptor
  /// On the event loop of the call's connection, if nothing else is said.
  public var executor: Executor = .eventLoop
  /// Throws what interceptors are to see; where there is none, it ends the call itself.
  let run: @Sendable (consuming ServerCall) async throws -> Void

  var hasOneResponse: Bool { descriptor.kind == .unary || descriptor.kind == .clientStreaming }
  var hasOneRequest: Bool { descriptor.kind == .unary || descriptor.kind == .serverStreaming }

  /// One request, one response.
  @inlinable public static func unary<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (Request, ServerContext) async throws -> Response
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { (first: consuming ServerCall) in
      var call = first
      while true {
        do {
          let bytes: [UInt8]
          if let ready = try call.readyRequestBytes() { bytes = ready } else { bytes = try await call.requestBytes() }
          let response = try await body(call.message(bytes, method.requestSerializer), ServerContext(call))
          try call.respond(response, method.responseSerializer)
        } catch {
          try call.handlerFailed(error)
        }
        // The next call of the method as well, where there is one: to return from here costs a look at where the task should run.
        guard let next = call.nextForHandler() else { return }
        call = next
      }
    }
  }

  /// One request, a stream of responses.
  @inlinable public static func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (Request, ResponseWriter<Response>, ServerContext) async throws -> Void
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      do {
        let writer = ResponseWriter(call: call, serializer: method.responseSerializer)
        let request = try call.message(await call.requestBytes(), method.requestSerializer)
        try await body(request, writer, ServerContext(call))
        call.handlerEnded()
      } catch {
        try call.handlerFailed(error)
      }
    }
  }

  /// A stream of requests, one response.
  @inlinable public static func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      do {
        let requests = RequestStream(call: call, serializer: method.requestSerializer)
        let response = try await body(requests, ServerContext(call))
        try call.respond(response, method.responseSerializer)
      } catch {
        try call.handlerFailed(error)
      }
    }
  }

  /// A stream in each direction.
  @inlinable public static func bidirectional<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, ServerContext) async throws -> Void
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      do {
        let requests = RequestStream(call: call, serializer: method.requestSerializer)
        let writer = ResponseWriter(call: call, serializer: method.responseSerializer)
        try await body(requests, writer, ServerContext(call))
        call.handlerEnded()
      } catch {
        try call.handlerFailed(error)
      }
    }
  }

  /// The same handler on another executor.
  public func on(_ executor: Executor) -> MethodHandler {
    var handler = self
    handler.executor = executor
    return handler
  }

  @usableFromInline init(
    descriptor: MethodDescriptor, run: @escaping @Sendable (consuming ServerCall) async throws -> Void
  ) {
    self.descriptor = descriptor
    self.run = run
  }
}
