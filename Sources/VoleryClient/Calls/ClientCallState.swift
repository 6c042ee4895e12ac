import VoleryLoadBalancing
import VoleryObservation
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// What a call knows, and what each event means for it. Decides, never acts; guarded by the call's lock.
///
///     waiting --attemptStarted--> running --attemptEnded--> ended
///        ^                          |  never seen by a server, or the strategy wants another
///        +--------------------------+
///     (a deadline or a cancel goes to ended from anywhere)
///
/// Not Sendable by parts (an attempt belongs to its connection's loop), but only handed around under the lock.
struct ClientCallState: ~Copyable, @unchecked Sendable {  // Isolation: handed over
  /// Flow-control credit is given back in pieces of at least this many bytes.
  static let creditThreshold = 16 << 10

  // The attempts.
  var running = RunningAttempts()
  private var strategy: AttemptStrategy
  private var transparentRetries = TransparentRetries()
  /// Attempts that a server may have seen; `grpc-previous-rpc-attempts` of the next one.
  private var previousAttempts = 0
  /// Nil while there is nothing but a first attempt.
  private var history: AttemptHistory?
  /// No other attempt can follow: an answer has begun, or what was sent is not kept any more.
  var isCommitted = false
  /// The subchannels of attempts that failed: the next one prefers others.
  private var failedOn: [Int] = []
  /// Of an attempt that was not the last.
  private var lastFailure: StreamOutcome?
  /// The server of the current or last attempt.
  var lastPeer: Peer?
  /// Until the next attempt begins.
  var timer: AttemptTimer?

  // What the caller sends.
  var outbox = Outbox()
  /// The transport's queue is above the mark.
  var isTransportFull = false
  var writers = WaiterList()

  // What the server sends.
  var initialMetadata: Metadata?
  /// The server's `grpc-encoding`.
  var responseEncoding: String?
  var inbox = Queue<ReceivedMessage>()
  var pendingCredit = 0
  /// The one message of a server that does not stream.
  var response: ReceivedMessage?
  var readers = WaiterList()
  /// Who waits for the initial metadata.
  var metadataReaders = WaiterList()

  /// How the attempts ended.
  var outcome: StreamOutcome?
  /// Interceptors start the call, and say what the caller gets.
  let isIntercepted: Bool
  /// They have gone on.
  var isStarted: Bool
  /// Whose turn it is of them.
  var holder: (any ClientInterceptor.Type)?
  /// What they have said.
  private var interceptedOutcome: StreamOutcome?
  var enders = WaiterList()

  init(strategy: AttemptStrategy, isIntercepted: Bool) {
    self.strategy = strategy
    self.isIntercepted = isIntercepted
    isStarted = !isIntercepted
  }

  /// What follows a failed attempt is known only now; before the first one.
  mutating func adopt(_ strategy: AttemptStrategy) { self.strategy = strategy }

  /// The attempts are over: nothing more is sent or comes.
  var hasEnded: Bool { outcome != nil }

  /// What the caller gets, once that is certain.
  var verdict: StreamOutcome? { isIntercepted ? interceptedOutcome : outcome }

  // MARK: Attempts

  /// Subchannels that the next attempt avoids: of those that failed, and of those that run.
  var avoided: [Int] { failedOn + running.all.map(\.subchannel.id) }

  enum StartVerdict {
    /// The call is over, or has what it needs.
    case unwanted
    /// `next`: another one begins after this time whatever becomes of this one.
    case started(next: Duration?)
  }

  mutating func attemptStarted(_ attempt: CallAttempt) -> StartVerdict {
    guard !hasEnded, running.isEmpty || !isCommitted else { return .unwanted }
    attempt.previousAttempts = previousAttempts + running.count
    if !running.isEmpty || history != nil { note(attempt) }
    lastPeer = attempt.connection.peer
    running.add(attempt)
    return .started(next: strategy.delayAfterStart())
  }

  private mutating func note(_ attempt: CallAttempt) {
    (attempt.cause, attempt.waited) = takeHistory().started(
      at: .now, isFirst: attempt.previousAttempts == 0, isHedging: strategy.isHedging)
  }

  private mutating func takeHistory() -> AttemptHistory {
    let history = history ?? AttemptHistory()
    self.history = history
    return history
  }

  /// There is no server for it yet.
  mutating func waits(since now: Moment) { takeHistory().waits(since: now) }

  /// For observers.
  var attempts: AttemptCount { history?.count ?? AttemptCount() }

  enum NextVerdict {
    case begin
    case none
    case end(WaiterList)
  }

  /// The time for another attempt has come.
  mutating func nextIsDue(throttle: RetryThrottle) -> NextVerdict {
    timer = nil
    guard !hasEnded, !isCommitted else { return .none }
    if strategy.mayBegin(throttle: throttle) { return .begin }
    guard running.isEmpty, let failure = lastFailure.take() else { return .none }
    return .end(end(failure))
  }

  /// The attempt that was to begin finds no server. Nil: no other one runs, the call has to wait for one.
  mutating func foundNoServer() -> Duration? { running.isEmpty ? nil : strategy.foundNoServer() }

  enum EndVerdict {
    /// It is not this call's any more, or others go on.
    case none
    /// Once more, elsewhere, after this time: no server has seen it.
    case again(after: Duration)
    case another(after: Duration)
    /// The others are not needed.
    case end(WaiterList, abandoned: [CallAttempt])
  }

  mutating func attemptEnded(
    _ outcome: consuming StreamOutcome, on attempt: CallAttempt, throttle: RetryThrottle
  ) -> EndVerdict {
    guard running.contains(attempt) else { return .none }
    running.remove(attempt)
    let isCommitted = isCommitted || attempt.hasAnswer
    if !isCommitted {
      switch transparentRetries.next(after: outcome.processing) {
      case .none: break
      case .now:
        rewind(after: attempt)
        takeHistory().nextIsTransparent()
        return .again(after: .zero)
      case .after(let delay):
        rewind(after: attempt)
        takeHistory().nextIsTransparent()
        return running.isEmpty ? .again(after: delay) : .none
      case .giveUp:
        guard running.isEmpty else { return .none }
        return .end(end(TransparentRetries.outcome(givenUp: outcome)), abandoned: [])
      }
    }
    let verdict = strategy.attemptEnded(
      outcome, isCommitted: isCommitted, running: running.count, throttle: throttle)
    switch verdict {
    case .end:
      attempt.giveAnswer(&initialMetadata, &responseEncoding, &response)
      let abandoned = running.isEmpty ? [] : running.removeAll()
      return .end(end(outcome), abandoned: abandoned)
    case .goOn, .another:
      lastFailure = outcome
      rewind(after: attempt)
      previousAttempts += 1
      if case .another(let delay) = verdict { return .another(after: delay) }
      return .none
    }
  }

  /// Everything is still to be sent to the next one.
  private mutating func rewind(after attempt: CallAttempt) {
    failedOn.append(attempt.subchannel.id)
    guard running.isEmpty else { return }
    takeHistory().idles(since: .now)
    isTransportFull = false
    outbox.rewind()
  }

  /// From now on the call stays with this attempt.
  ///
  /// - Returns: The others, to be cancelled.
  mutating func commit(to attempt: CallAttempt) -> [CallAttempt] {
    isCommitted = true
    let abandoned = running.keepOnly(attempt)
    let sentCount = running.change(attempt) { record in
      defer { record.sentCount = 0 }
      return record.sentCount
    }
    outbox.drop(sentCount ?? 0)
    return abandoned
  }

  /// The call is over; everybody who waits has to look. Empty when it was over before.
  mutating func end(_ outcome: consuming StreamOutcome) -> WaiterList {
    guard !hasEnded else { return WaiterList() }
    self.outcome = outcome.isOK || outcome.peer != nil ? outcome : outcome.with(peer: lastPeer)
    outbox.removeAll()
    lastFailure = nil
    return takeWaiters()
  }

  mutating func takeWaiters() -> WaiterList {
    var all = enders.takeAll()
    all.add(contentsOf: readers.takeAll())
    all.add(contentsOf: writers.takeAll())
    all.add(contentsOf: metadataReaders.takeAll())
    return all
  }

  /// Settles what the caller gets: the call is ended from this side, or its interceptors have come to an end. Nil: it was
  /// settled before.
  mutating func settle(_ outcome: consuming StreamOutcome) -> (attempts: [CallAttempt], waiters: WaiterList)? {
    guard verdict == nil else { return nil }
    if !outcome.isOK, !hasEnded || outcome.code == .deadlineExceeded {
      // Ended from this side: what nobody has read is not kept.
      inbox = Queue()
      response = nil
    }
    if isIntercepted { interceptedOutcome = outcome }
    let attempts = running.isEmpty ? [] : running.removeAll()
    return (attempts, hasEnded ? takeWaiters() : end(outcome))
  }
}
