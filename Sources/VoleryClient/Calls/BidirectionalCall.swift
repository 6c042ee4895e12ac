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
  /// One message of the server's.
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
  public func finish() { handle.finish() }

  /// An iterator over the answers; several share the call's one stream, each answer goes to one of them.
  public func makeAsyncIterator() -> ResponseIterator<Response> {
    ResponseIterator(handle: handle, serializer: responseSerializer)
  }

  /// Waits for the server's initial metadata; throws how the call ended where it ended before.
  public var initialMetadata: Metadata { get async throws(StatusError) { try await handle.call.initialMetadata() } }

  /// Waits for the end of the call; the metadata that came with its status, whatever that was.
  public var trailingMetadata: Metadata { get async { await handle.call.outcome().trailingMetadata } }

  /// Waits for the end of the call.
  public var status: Status { get async { await handle.call.outcome().status } }

  /// The server; nil before the call has a connection.
  public var peer: Peer? { handle.call.peer }

  /// Whether the response that was taken last came compressed.
  public var isResponseCompressed: Bool { handle.call.isResponseCompressed }

  /// Ends the call with CANCELLED, at both ends; nothing happens to one that is over. Any thread.
  public func cancel() { handle.call.cancel() }
}
