public import VoleryTypes

/// A method with the code that answers it.
///
/// The code runs in a task of its own, on the event loop of the call's connection unless `executor` says otherwise: while
/// it computes without suspending, the other calls of that loop wait. The task is cancelled when the client cancels, the
/// connection is lost or the deadline passes.
///
/// What it throws becomes the call's status: a `StatusError` that was made here as it is, anything else UNKNOWN without
/// details.
public struct MethodHandler: Sendable {
  /// Where a handler runs.
  public enum Executor: Sendable {
    /// On the connection's event loop: no hop, the fastest. For code that does not block.
    case eventLoop
    /// On Swift's shared pool: for code that computes for long, or blocks.
    case sharedPool
  }

  public let descriptor: MethodDescriptor
  public var executor = Executor.eventLoop
  let run: @Sendable (ServerCall) async -> Void

  var hasOneRequest: Bool { descriptor.kind == .unary || descriptor.kind == .serverStreaming }

  /// One request, one response.
  public static func unary<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (Request, ServerContext) async throws -> Response
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      await call.answer {
        let response = try await body(call.request(method.requestSerializer), ServerContext(call))
        try call.respond(response, method.responseSerializer)
      }
    }
  }

  /// One request, a stream of responses.
  public static func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (Request, ResponseWriter<Response>, ServerContext) async throws -> Void
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      await call.answer {
        let writer = ResponseWriter(call: call, serializer: method.responseSerializer)
        try await body(call.request(method.requestSerializer), writer, ServerContext(call))
      }
    }
  }

  /// A stream of requests, one response.
  public static func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (RequestStream<Request>, ServerContext) async throws -> Response
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      await call.answer {
        let requests = RequestStream(call: call, serializer: method.requestSerializer)
        let response = try await body(requests, ServerContext(call))
        try call.respond(response, method.responseSerializer)
      }
    }
  }

  /// A stream in each direction.
  public static func bidirectional<Request, Response>(
    _ method: Method<Request, Response>,
    _ body: @escaping @Sendable (RequestStream<Request>, ResponseWriter<Response>, ServerContext) async throws -> Void
  ) -> MethodHandler {
    MethodHandler(descriptor: method.descriptor) { call in
      await call.answer {
        let requests = RequestStream(call: call, serializer: method.requestSerializer)
        let writer = ResponseWriter(call: call, serializer: method.responseSerializer)
        try await body(requests, writer, ServerContext(call))
      }
    }
  }

  /// The same handler on another executor.
  public func on(_ executor: Executor) -> MethodHandler {
    var handler = self
    handler.executor = executor
    return handler
  }

  private init(descriptor: MethodDescriptor, run: @escaping @Sendable (ServerCall) async -> Void) {
    self.descriptor = descriptor
    self.run = run
  }
}
