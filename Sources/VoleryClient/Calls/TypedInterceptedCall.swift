import Synchronization
public import VoleryTypes

/// What an intercepted call does with the types of its messages.
@usableFromInline
class TypedInterceptedCall<Request: Sendable, Response: Sendable>: InterceptedCall,
  @unchecked Sendable  // Isolation: constant
{
  final let messages: Method<Request, Response>

  init(_ call: ClientCall, _ messages: Method<Request, Response>, _ interceptors: [any ClientInterceptor]) {
    self.messages = messages
    super.init(call, interceptors)
  }

  /// Writes a request as the interceptors leave it.
  final var hookedRequestSerializer: Serializer<Request> {
    Serializer(
      contentSubtype: messages.requestSerializer.contentSubtype,
      serialize: { [self] message, sink in
        let hooks = state.withLock { $0.requestHooks }
        guard !hooks.isEmpty else { return try messages.requestSerializer.serialize(message, &sink) }
        var intercepted = InterceptedMessage(value: message, messages.requestSerializer)
        try hooks.apply(to: &intercepted)
        sink.write(try intercepted.bytes())
      },
      deserialize: messages.requestSerializer.deserialize)
  }

  /// Reads a response as the interceptors leave it.
  final var hookedResponseSerializer: Serializer<Response> {
    Serializer(
      contentSubtype: messages.responseSerializer.contentSubtype, serialize: messages.responseSerializer.serialize,
      deserialize: { [self] bytes in try messages.responseSerializer.deserialize(try hooked(bytes) ?? bytes) })
  }

  final override func responseMessage(_ bytes: [UInt8]) -> InterceptedMessage {
    InterceptedMessage(bytes: bytes, messages.responseSerializer)
  }

  final override func encodeAnswer(_ message: any Sendable) throws(StatusError) -> [UInt8] {
    guard messages.responseSerializer.accepts(message) else {
      throw StatusError(
        .internal, "an interceptor answers \(method.path) with a \(type(of: message)), not a \(Response.self)")
    }
    do {
      return try messages.responseSerializer.encode(message)
    } catch {
      throw StatusError(.internal, "an interceptor's answer to \(method.path) can't be serialized: \(error)")
    }
  }
}

/// The same with the one request of a call whose client does not stream.
@usableFromInline
final class InterceptedRequest<Request: Sendable, Response: Sendable>: TypedInterceptedCall<Request, Response>,
  @unchecked Sendable  // Isolation: constant
{
  private let request: Request

  @usableFromInline init(
    _ call: ClientCall, _ messages: Method<Request, Response>, _ request: Request,
    _ interceptors: [any ClientInterceptor]
  ) {
    self.request = request
    super.init(call, messages, interceptors)
  }

  override func request(isHooked: Bool) throws(StatusError) -> MessageFrame? {
    try call.frame(request, isHooked ? hookedRequestSerializer : messages.requestSerializer)
  }
}
