import Synchronization
import VoleryLoadBalancing
import VoleryTransport
import VoleryTypes

/// One try of a call on one connection: the transport's handler, and the one place that touches the stream.
///
/// Everything but `init` runs on the connection's loop.
final class ClientCallAttempt: ClientStreamHandler, @unchecked Sendable {
  let call: ClientCall
  let connection: any ClientConnection
  let subchannel: Subchannel
  let startedAt: ContinuousClock.Instant
  /// Nil until opened and after the end.
  @exclusivity(unchecked) private var stream: (any ClientStream)?
  @exclusivity(unchecked) private var isOver = false
  /// Gets what the stream's head needs before it opens; cancelled with the attempt.
  @exclusivity(unchecked) private var preparation: Task<Void, Never>?
  /// Sent as `grpc-previous-rpc-attempts`; set when the call takes the attempt.
  var previousAttempts = 0

  init(call: ClientCall, connection: any ClientConnection, subchannel: Subchannel) {
    self.call = call
    self.connection = connection
    self.subchannel = subchannel
    self.startedAt = .now
  }

  /// Runs `work` on the connection's loop: now if this is it.
  func onLoop(_ work: @escaping @Sendable () -> Void) {
    if connection.transportLoop.isCurrent { work() } else { connection.transportLoop.execute(work) }
  }

  /// Opens the stream later: `work` sees to that.
  func prepare(_ work: @escaping @Sendable () async -> Void) {
    guard !isOver else { return }
    preparation = Task { await work() }
  }

  func open(_ head: consuming ClientRequestHead) {
    guard !isOver else { return }
    preparation = nil
    stream = connection.openStream(head, handler: self)
  }

  /// Sends frames; returns the bytes that the transport has queued for this stream.
  func send(_ frames: ArraySlice<MessageFrame>, halfClose: Bool) -> Int {
    guard let stream else { return 0 }
    var remaining = frames.count
    for frame in frames {
      remaining -= 1
      stream.send(frame, endsStream: halfClose && remaining == 0)
    }
    if frames.isEmpty, halfClose { stream.halfClose() }
    return stream.queuedByteCount
  }

  func consume(_ byteCount: Int) { stream?.consume(byteCount) }

  /// Resets the stream if it is open. No event comes after it.
  func cancel(code: StatusCode) {
    guard !isOver else { return }
    isOver = true
    if code == .deadlineExceeded { stream?.deadlinePassed() } else { stream?.cancel() }
    stream = nil
    preparation.take()?.cancel()
    report(code, .local)
  }

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?) {
    guard !isOver else { return }
    call.initialMetadataReceived(metadata, messageEncoding: messageEncoding, on: self)
  }

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    guard !isOver else { return }
    call.messageReceived(message, isCompressed: isCompressed, on: self)
  }

  func writable() {
    guard !isOver else { return }
    call.writable(on: self)
  }

  func closed(_ outcome: StreamOutcome) {
    guard !isOver else { return }
    isOver = true
    stream = nil
    // What was never sent says nothing of the server.
    if outcome.processing == .neverSent || outcome.processing == .unsendable {
      report(.cancelled, .local)
    } else {
      report(outcome.status.code, outcome.origin)
    }
    call.attemptClosed(outcome, on: self)
  }

  private func report(_ code: StatusCode, _ origin: StatusError.Origin) {
    call.core.attemptEnded(subchannel, code: code, origin: origin, startedAt: startedAt)
  }
}
