import VoleryTransport
public import VoleryTypes

/// A call with a stream of requests and one response:
///
///     let call = routeGuide.recordRoute()
///     for point in points { try await call.send(point) }
///     call.finish()
///     let summary = try await call.response
///
/// Several tasks may send. Letting go of the last copy before the end cancels the call.
public struct ClientStreamingCall<Request: Sendable, Response: Sendable>: Sendable {
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

  /// Waits for the answer; `finish` first, as a rule.
  public var response: Response {
    get async throws(StatusError) { try await handle.call.response(responseSerializer).message }
  }

  /// Waits for the answer with its metadata. Take either this or `response`, once.
  public var fullResponse: ClientResponse<Response> {
    get async throws(StatusError) { try await handle.call.response(responseSerializer) }
  }

  /// Waits for the server's initial metadata; throws how the call ended where it ended before.
  public var initialMetadata: Metadata { get async throws(StatusError) { try await handle.call.initialMetadata() } }

  /// Waits for the end of the call; the metadata that came with its status, whatever that was.
  public var trailingMetadata: Metadata { get async { await handle.call.outcome().trailingMetadata } }

  /// Waits for the end of the call.
  public var status: Status { get async { await handle.call.outcome().status } }

  /// The server; nil before the call has a connection.
  public var peer: Peer? { handle.call.peer }

  /// Ends the call with CANCELLED, at both ends; nothing happens to one that is over. Any thread.
  public func cancel() { handle.call.cancel() }
}
