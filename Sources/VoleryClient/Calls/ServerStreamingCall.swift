import VoleryTransport
public import VoleryTypes

/// A call with one request and a stream of responses. It runs from the moment it is made; iterate it once:
///
///     for try await feature in routeGuide.listFeatures(rectangle) { ... }
///
/// It may be kept in a property and handed around. The stream ends when the server ended the call with OK, and throws
/// `StatusError` otherwise. Cancelling the task that iterates, calling `cancel`, or letting go of the last copy cancels
/// the call. A reader that does not keep up slows the server down.
public struct ServerStreamingCall<Response: Sendable>: AsyncSequence, Sendable {
  let handle: CallHandle
  let serializer: Serializer<Response>

  /// Waits for the server's initial metadata.
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

  /// An iterator over the responses; several share the call's one stream, each response goes to one of them.
  public func makeAsyncIterator() -> ResponseIterator<Response> {
    ResponseIterator(handle: handle, serializer: serializer)
  }
}

/// Takes a call's responses one by one.
public struct ResponseIterator<Response: Sendable>: AsyncIteratorProtocol {
  let handle: CallHandle
  let serializer: Serializer<Response>

  /// Waits for the next response; nil when the call has ended with OK.
  ///
  /// - Throws: How the call ended otherwise. CANCELLED when the task is cancelled.
  public mutating func next() async throws(StatusError) -> Response? {
    do throws(StatusError) { return try response(try await handle.call.nextMessage()) } catch { throw ended(error) }
  }

  /// The same, from the actor's isolation.
  public mutating func next(isolation actor: isolated (any Actor)?) async throws(StatusError) -> Response? {
    do throws(StatusError) { return try response(try await handle.call.nextMessage()) } catch { throw ended(error) }
  }

  /// Nil: there are no more.
  private func response(_ bytes: ReceivedMessage?) throws(StatusError) -> Response? {
    if let bytes { return try handle.call.message(bytes, serializer) }
    handle.responsesEnded()
    return nil
  }

  private func ended(_ error: StatusError) -> StatusError {
    handle.responsesEnded()
    return error
  }
}
