public import VoleryTypes

/// The requests of a client that streams, one after another. It ends when the client has finished, and throws `StatusError`
/// when the call is cancelled or over. While nobody takes requests, the client has to wait.
///
/// Several tasks may take requests, each with an iterator of its own: every request goes to one of them, whichever comes.
public struct RequestStream<Request: Sendable>: AsyncSequence, Sendable {
  @usableFromInline let call: ServerCall
  @usableFromInline let serializer: Serializer<Request>

  @usableFromInline init(call: ServerCall, serializer: Serializer<Request>) {
    self.call = call
    self.serializer = serializer
  }

  /// An iterator over the requests that nobody has taken yet.
  @inlinable public func makeAsyncIterator() -> Iterator { Iterator(call: call, serializer: serializer) }

  /// Takes requests one by one.
  public struct Iterator: AsyncIteratorProtocol {
    @usableFromInline let call: ServerCall
    @usableFromInline let serializer: Serializer<Request>

    @usableFromInline init(call: ServerCall, serializer: Serializer<Request>) {
      self.call = call
      self.serializer = serializer
    }

    /// Waits for the next request; nil when the client has finished.
    ///
    /// - Throws: How the call ended; CANCELLED when the client has cancelled or is gone, DEADLINE_EXCEEDED when its time is
    ///   up, INTERNAL for a request that can't be read.
    @inlinable public mutating func next() async throws(StatusError) -> Request? {
      guard let bytes = try await call.nextRequestBytes() else { return nil }
      return try call.message(bytes, serializer)
    }

    /// The same, from the actor's isolation.
    @inlinable
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(StatusError) -> Request? {
      guard let bytes = try await call.nextRequestBytes() else { return nil }
      return try call.message(bytes, serializer)
    }
  }
}
