import Synchronization
import VoleryTransport
import VoleryTypes

// What a failed call tells people: what happened, where, how long it took, and what the channel knows. Put together only once
// a call has failed; a server's own status stays as the server has sent it, and every other one goes through here.
extension ClientCall {
  /// Ends the call from this side, unless it is over.
  ///
  /// - Returns: What to throw.
  @discardableResult
  func fail(_ error: StatusError) -> StatusError {
    let error = explained(error)
    end(error)
    return error.ofCall
  }

  /// Where the call is now.
  func explained(_ error: StatusError) -> StatusError { explained(error, on: peer) }

  /// - Parameter peer: The server that the call was on; nil: it never had a connection.
  func explained(_ error: StatusError, on peer: Peer?) -> StatusError {
    var error = error
    let waited = startedAt.duration(to: .now).milliseconds
    let place = peer.map { "server \($0)" } ?? "without a connection"
    error.status.message += " (\(place), after \(waited) ms, \(channel.situation(besides: error.message)))"
    return error
  }

  func deadlinePassed() {
    let (holder, peer) = withState { ($0.holder, $0.lastPeer) }
    let text =
      (interception.heldBy ?? holder).map {
        "the deadline passed while the interceptor \(Interception.name(of: $0)) had the call"
      }
      ?? (peer == nil ? "the deadline passed" : "the deadline passed before the server's answer")
    let error = StatusError(.deadlineExceeded, text)
    end(explained(error, on: peer))
  }

  func overLimit(_ byteCount: Int) -> StatusError {
    StatusError(
      .resourceExhausted, "a message of \(byteCount) bytes is over the limit of \(maxRequestBytes) for \(method.path)")
  }

  /// The server has noticed a little earlier that the call's time is over.
  private func isOwnDeadline(_ outcome: StreamOutcome) -> Bool {
    outcome.code == .deadlineExceeded && Moment.now.advanced(by: .milliseconds(20)) >= deadline.moment
  }

  /// Adds what the caller should know: the server, and more to a stream that this side has ended.
  func explained(_ outcome: StreamOutcome, on attempt: CallAttempt) -> StreamOutcome {
    guard let error = outcome.error else { return outcome }
    let peer = attempt.connection.peer
    let isOurs = !outcome.isServersOwn || isOwnDeadline(outcome)
    return outcome.with(message: isOurs ? explained(error, on: peer).message : nil, peer: peer)
  }
}
