import Synchronization
public import VoleryTypes

/// The whole answer of a call with one response message.
public struct ClientResponse<Message: Sendable>: Sendable {
  public let message: Message
  public let initialMetadata: Metadata
  public let trailingMetadata: Metadata
  /// The server that answered.
  public let peer: Peer?
  /// Whether the message came compressed.
  public let isCompressed: Bool
}

// Generated clients call these; call them yourself with a `Method` that you wrote by hand.
extension Channel {
  /// One request, one response.
  public func unary<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) async throws(StatusError) -> ClientResponse<Response> {
    let call = try startedCall(method, request, options)
    return try await call.response(method.responseSerializer)
  }

  /// One request, a stream of responses.
  public func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) -> ServerStreamingCall<Response> {
    let snapshot = core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    do throws(StatusError) {
      try start(call, request, method.requestSerializer, snapshot)
    } catch {
      // The iteration throws it.
    }
    return ServerStreamingCall(handle: CallHandle(call), serializer: method.responseSerializer)
  }

  /// A stream of requests, one response.
  public func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> ClientStreamingCall<Request, Response> {
    let snapshot = core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    call.start(snapshot)
    return ClientStreamingCall(
      handle: CallHandle(call), requestSerializer: method.requestSerializer,
      responseSerializer: method.responseSerializer)
  }

  /// A stream in each direction.
  public func bidirectional<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> BidirectionalCall<Request, Response> {
    let snapshot = core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    call.start(snapshot)
    return BidirectionalCall(
      handle: CallHandle(call), requestSerializer: method.requestSerializer,
      responseSerializer: method.responseSerializer)
  }

  private func startedCall<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, _ options: CallOptions
  ) throws(StatusError) -> ClientCall {
    let snapshot = core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    try start(call, request, method.requestSerializer, snapshot)
    return call
  }

  private func makeCall<Request, Response>(
    _ method: Method<Request, Response>, _ options: CallOptions, _ snapshot: borrowing PublishedPicker
  ) -> ClientCall {
    ClientCall(
      channel: core.dataPlane, snapshot: snapshot, method: method.descriptor,
      contentSubtype: method.requestSerializer.contentSubtype, options: options)
  }

  /// Starts a call whose client does not stream.
  private func start<Request>(
    _ call: ClientCall, _ request: Request, _ serializer: Serializer<Request>, _ snapshot: borrowing PublishedPicker
  ) throws(StatusError) {
    let frame = try call.frame(request, serializer)
    call.state.withLock { $0.outbox = Outbox(only: frame) }
    call.start(snapshot)
  }
}
