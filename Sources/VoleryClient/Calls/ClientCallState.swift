import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// What a call knows, and what each event means for it. Decides, never acts; guarded by the call's lock.
///
///     picking --picked--> active --closed--> ended
///        ^                  | neverSent (bounded), refused (once), retryable
///        +------------------+
///     (a deadline or a cancel goes to ended from anywhere)
///
/// Not Sendable by parts (the attempt belongs to its connection's loop), but only handed around under the lock.
struct ClientCallState: ~Copyable, @unchecked Sendable {
  enum Phase {
    case picking
    case active(ClientCallAttempt)
    case ended(StreamOutcome)
  }

  /// Bytes of messages that a writer may have ahead of the transport before it waits.
  static let highWaterMark = 64 << 10
  /// Sent messages are kept for another attempt up to this many bytes; beyond, the call is committed to its attempt
  /// (gRFC A6, as grpc-go and C-core: 256 KiB a call).
  static let replayLimit = 256 << 10
  /// Flow-control credit is given back in pieces of at least this many bytes.
  static let creditThreshold = 16 << 10

  var phase = Phase.picking
  /// Attempts that the server may have seen; `grpc-previous-rpc-attempts` of the next one.
  var previousAttempts = 0
  /// The server of the current or last attempt.
  var lastPeer: Peer?
  var transparentRetries = TransparentRetries()
  /// While the call waits to be tried again.
  var retryTimer: RetryTimer?
  /// The subchannels of attempts that failed: the next one prefers others.
  var failedOn: Set<Int> = []
  /// Nil: failed attempts are not followed by others, but for transparent retries.
  var retry: RetryState?
  /// Nil: there is one attempt at a time, or the call is committed.
  var hedging: HedgingState?

  // What the caller sends.
  /// Frames of the call that have to be kept: the first `sentCount` have been given to the current attempt.
  var frames: [MessageFrame] = []
  var sentCount = 0
  var keptBytes = 0
  var unsentBytes = 0
  var isHalfClosed = false
  var isHalfCloseSent = false
  var isFlushScheduled = false
  /// The transport's queue is above the mark.
  var isTransportFull = false
  /// No other attempt can follow: an answer has begun, or what was sent is not kept any more.
  var isCommitted = false
  var writers = WaiterList()

  // What the server sends.
  var initialMetadata: Metadata?
  /// The server's `grpc-encoding`.
  var responseEncoding: String?
  var inbox = Queue<ReceivedMessage>()
  var pendingCredit = 0
  var readers = WaiterList()
  /// The one message of a server that does not stream.
  var response: ReceivedMessage?
  /// Who waits for the initial metadata.
  var observers = WaiterList()
  /// Who waits for the end.
  var enders = WaiterList()

  init(retry: RetryState? = nil, hedging: HedgingState? = nil) {
    self.retry = retry
    self.hedging = hedging
  }

  var hasEnded: Bool { if case .ended = phase { true } else { false } }

  var attempt: ClientCallAttempt? { if case .active(let attempt) = phase { attempt } else { nil } }

  /// All that run.
  var attempts: [ClientCallAttempt] { hedging?.running.map(\.attempt) ?? attempt.map { [$0] } ?? [] }

  func isCurrent(_ attempt: ClientCallAttempt) -> Bool {
    self.attempt === attempt || hedging?.index(of: attempt) != nil
  }

  // MARK: Sending

  enum SendVerdict {
    /// Queued; `flush` says whether the caller has to see to it that the loop takes it over.
    case queued(flush: ClientCallAttempt?)
    case wait
    /// Another task has said that there are no more messages.
    case finished
    case ended(StreamOutcome)
  }

  mutating func send(_ frame: MessageFrame) -> SendVerdict {
    if case .ended(let outcome) = phase { return .ended(outcome) }
    if isHalfClosed { return .finished }
    if isTransportFull || unsentBytes >= ClientCallState.highWaterMark { return .wait }
    frames.append(frame)
    unsentBytes += frame.count
    keptBytes += frame.count
    return .queued(flush: scheduleFlush())
  }

  mutating func halfClose() -> ClientCallAttempt? {
    guard !hasEnded, !isHalfClosed else { return nil }
    isHalfClosed = true
    return scheduleFlush()
  }

  private mutating func scheduleFlush() -> ClientCallAttempt? {
    guard hedging == nil, !isFlushScheduled, let attempt else { return nil }
    isFlushScheduled = true
    return attempt
  }

  /// Frames for the current attempt, in order, and whether the request ends behind them.
  struct Flush {
    var frames: ArraySlice<MessageFrame>
    var halfClose: Bool
    /// Attempts that the call has left, to be cancelled.
    var abandoned: [ClientCallAttempt] = []
  }

  mutating func takeFlush(for attempt: ClientCallAttempt) -> Flush? {
    if let hedging { return takeHedgeFlush(for: attempt, hedging) }
    guard isCurrent(attempt) else { return nil }
    isFlushScheduled = false
    let flush = Flush(frames: frames[sentCount...], halfClose: isHalfClosed && !isHalfCloseSent)
    guard !flush.frames.isEmpty || flush.halfClose else { return nil }
    sentCount = frames.count
    unsentBytes = 0
    isHalfCloseSent = isHalfClosed
    // One message is kept whatever its size: the transport holds the same storage.
    if isCommitted || (keptBytes > ClientCallState.replayLimit && frames.count > 1) { commit() }
    return flush
  }

  mutating func flushed(queuedBytes: Int) -> WaiterList {
    isTransportFull = queuedBytes >= ClientCallState.highWaterMark
    return isTransportFull ? WaiterList() : writers.takeAll()
  }

  /// From now on the call stays with its attempt.
  mutating func commit() {
    isCommitted = true
    frames.removeFirst(sentCount)
    sentCount = 0
    keptBytes = unsentBytes
  }

  // MARK: Attempts

  mutating func attemptStarted(_ attempt: ClientCallAttempt) -> Bool {
    if let hedging { return hedgeStarted(attempt, hedging) }
    guard case .picking = phase else { return false }
    phase = .active(attempt)
    attempt.previousAttempts = previousAttempts
    lastPeer = attempt.connection.peer
    isFlushScheduled = true
    return true
  }

  enum ClosedVerdict {
    case pickAgain
    case retry(after: Duration)
    case end(WaiterList)
  }

  mutating func attemptClosed(
    _ outcome: StreamOutcome, on attempt: ClientCallAttempt, throttle: RetryThrottle
  ) -> ClosedVerdict? {
    guard isCurrent(attempt) else { return nil }
    if !isCommitted {
      switch transparentRetries.next(after: outcome.processing) {
      case .none: break
      case .now:
        startOver(after: attempt)
        return .pickAgain
      case .after(let delay):
        startOver(after: attempt)
        return .retry(after: delay)
      case .giveUp: return .end(end(TransparentRetries.outcome(givenUp: outcome)))
      }
    }
    if outcome.processing != .unsendable,
      let delay = retry?.delay(after: outcome, isCommitted: isCommitted, throttle: throttle)
    {
      startOver(after: attempt)
      previousAttempts += 1
      return .retry(after: delay)
    }
    return .end(end(outcome))
  }

  /// Back to picking, with everything still to be sent.
  private mutating func startOver(after attempt: ClientCallAttempt) {
    failedOn.insert(attempt.subchannel.id)
    phase = .picking
    sentCount = 0
    isHalfCloseSent = false
    isTransportFull = false
    unsentBytes = keptBytes
  }

  /// The call is over; everybody who waits has to look. Empty when it was over before.
  mutating func end(_ outcome: StreamOutcome) -> WaiterList {
    guard !hasEnded else { return WaiterList() }
    var outcome = outcome
    if outcome.peer == nil { outcome.peer = lastPeer }
    phase = .ended(outcome)
    hedging = nil
    frames = []
    var all = enders.takeAll()
    all.add(contentsOf: readers.takeAll())
    all.add(contentsOf: writers.takeAll())
    all.add(contentsOf: observers.takeAll())
    return all
  }

  // MARK: Receiving

  /// The whole of a call whose server sends one message.
  struct Answer {
    var outcome: StreamOutcome
    var message: ReceivedMessage?
    var initialMetadata: Metadata?
    var peer: Peer?
  }

  /// Nil before the end. The message is not here any more afterwards.
  mutating func takeAnswer() -> Answer? {
    guard case .ended(let outcome) = phase else { return nil }
    return Answer(
      outcome: outcome, message: response.take(), initialMetadata: initialMetadata, peer: lastPeer)
  }

  /// False when there is one already.
  mutating func responseReceived(_ message: ReceivedMessage) -> Bool {
    guard response == nil else { return false }
    response = message
    return true
  }

  enum ReceiveVerdict {
    case message(ReceivedMessage, credit: Int, attempt: ClientCallAttempt?)
    case wait
    case ended(StreamOutcome)
  }

  mutating func receive() -> ReceiveVerdict {
    if let message = inbox.popFirst() {
      pendingCredit += message.bytes.count + MessageSink.prefixByteCount
      guard pendingCredit >= ClientCallState.creditThreshold, let attempt else {
        return .message(message, credit: 0, attempt: nil)
      }
      defer { pendingCredit = 0 }
      return .message(message, credit: pendingCredit, attempt: attempt)
    }
    if case .ended(let outcome) = phase { return .ended(outcome) }
    return .wait
  }
}
