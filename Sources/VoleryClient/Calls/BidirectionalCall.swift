import VoleryTransport
public import VoleryTypes

/// A call with a stream in each direction, independent of one another:
///
///     let chat = routeGuide.routeChat()
///     try await chat.send(note)
///     for try await answer in chat { ... }
///
/// One task may send while another iterates, and several may do either: each message goes whole, and each answer to one of
/// the tasks. Letting go of the last copy before the end cancels the call.
public struct BidirectionalCall<Request: Sendable, Response: Sendable>: AsyncSequence, Sendable {
  public typealias Element = Response

  let handle: CallHandle
  let requestSerializer: Serializer<Request>
  let responseSerializer: Serializer<Response>

  /// Sends a message; suspends while the server does not keep up. Throws how the call ended once it is over, and
  /// FAILED_PRECONDITION after `finish`.
  ///
  /// - Parameter compressed: False: this message is not compressed, though the call's are (`CallOptions.compression`).
  public func send(_ request: Request, compressed: Bool = true) async throws(StatusError) {
    try await handle.send(request, requestSerializer, isCompressed: compressed)
  }

  /// Ends the request stream. May be called twice.
  public func finish() { handle.call.halfClose() }

  public func makeAsyncIterator() -> ResponseIterator<Response> {
    ResponseIterator(handle: handle, serializer: responseSerializer)
  }

  public var initialMetadata: Metadata { get async throws(StatusError) { try await handle.call.initialMetadata() } }

  public var trailingMetadata: Metadata { get async { await handle.call.outcome().trailingMetadata } }

  public var status: Status { get async { await handle.call.outcome().status } }

  public var peer: Peer? { handle.call.peer }

  /// Whether the response that was taken last came compressed.
  public var isResponseCompressed: Bool { handle.call.isResponseCompressed }

  public func cancel() { handle.call.cancel() }
}
