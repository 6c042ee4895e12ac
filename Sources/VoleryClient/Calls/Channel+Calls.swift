public import VoleryTypes

/// The whole answer of a call with one response message.
public struct ClientResponse<Message: Sendable>: Sendable {
  /// The response.
  public let message: Message
  /// What the server sent before the response.
  public let initialMetadata: Metadata
  /// What the server sent with the status, which is OK.
  public let trailingMetadata: Metadata
  /// The server that answered.
  public let peer: Peer?
  /// Whether the message came compressed.
  public let isCompressed: Bool

  /// For stand-ins of clients: what a server would have answered.
  public init(
    message: Message, initialMetadata: Metadata = Metadata(), trailingMetadata: Metadata = Metadata(),
    peer: Peer? = nil, isCompressed: Bool = false
  ) {
    self.message = message
    self.initialMetadata = initialMetadata
    self.trailingMetadata = trailingMetadata
    self.peer = peer
    self.isCompressed = isCompressed
  }

  @inlinable init(_ message: Message, _ answer: ResponseBytes) {
    self.message = message
    initialMetadata = answer.initialMetadata
    trailingMetadata = answer.trailingMetadata
    peer = answer.peer
    isCompressed = answer.isCompressed
  }
}

/// The same before its message is read.
@usableFromInline struct ResponseBytes {
  @usableFromInline let bytes: [UInt8]
  @usableFromInline let isCompressed: Bool
  @usableFromInline let initialMetadata: Metadata
  @usableFromInline let trailingMetadata: Metadata
  @usableFromInline let peer: Peer?

  init(bytes: [UInt8], isCompressed: Bool, initialMetadata: Metadata, trailingMetadata: Metadata, peer: Peer?) {
    self.bytes = bytes
    self.isCompressed = isCompressed
    self.initialMetadata = initialMetadata
    self.trailingMetadata = trailingMetadata
    self.peer = peer
  }
}

// Calls without a generated client: with a `Method` that you wrote by hand.
extension Channel {
  /// One request, one response.
  public func unary<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) async throws(StatusError) -> ClientResponse<Response> {
    try await CallInvoker(self).unary(method, request, options: options)
  }

  /// One request, a stream of responses.
  public func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) -> ServerStreamingCall<Response> {
    CallInvoker(self).serverStreaming(method, request, options: options)
  }

  /// A stream of requests, one response.
  public func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> ClientStreamingCall<Request, Response> {
    CallInvoker(self).clientStreaming(method, options: options)
  }

  /// A stream in each direction.
  public func bidirectional<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> BidirectionalCall<Request, Response> {
    CallInvoker(self).bidirectional(method, options: options)
  }
}
