public import VoleryTypes

/// The requests of a client that streams, one after another. Iterate it once, from one task. It ends when the client has
/// finished, and throws `StatusError` when the call is cancelled. While nobody takes requests, the client has to wait.
public struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
  let call: ServerCall
  let serializer: Serializer<Request>

  public func makeAsyncIterator() -> Iterator { Iterator(call: call, serializer: serializer) }

  public struct Iterator: AsyncIteratorProtocol {
    let call: ServerCall
    let serializer: Serializer<Request>

    public mutating func next() async throws(StatusError) -> Request? {
      guard let bytes = try await call.nextMessage() else { return nil }
      return try call.message(bytes, serializer)
    }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws(StatusError) -> Request? {
      guard let bytes = try await call.nextMessage() else { return nil }
      return try call.message(bytes, serializer)
    }
  }
}
