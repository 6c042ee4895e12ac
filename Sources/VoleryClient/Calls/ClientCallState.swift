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
  // The attempts.
  var running = RunningAttempts()
  private(set) var past: PastAttempts
  private var strategy: AttemptStrategy
  /// No other attempt can follow: an answer has begun, or what was sent is not kept any more.
  var isCommitted = false
  /// The server of the current or last attempt.
  var lastPeer: Peer?
  /// Until the next attempt begins.
  var timer: AttemptTimer?

  // The messages.
  var outgoing = OutgoingMessages()
  var incoming = IncomingMessages()
  /// The one message of a server that does not stream.
  var response: ReceivedMessage?

  // The end.
  /// How the attempts ended.
  var outcome: StreamOutcome?
  var enders = WaiterList()

  // Interceptors.
  /// They start the call, and say what the caller gets.
  let isIntercepted: Bool
  /// They have gone on.
  var isStarted: Bool
  /// Whose turn it is of those around attempts.
  var holder: (any ClientInterceptor.Type)?
  /// What they have said.
  var interceptedOutcome: StreamOutcome?

  init(strategy: AttemptStrategy, isIntercepted: Bool, isObserved: Bool) {
    self.strategy = strategy
    self.isIntercepted = isIntercepted
    isStarted = !isIntercepted
    past = PastAttempts(isObserved: isObserved)
  }

  /// The attempts are over: nothing more is sent or comes.
  var hasEnded: Bool { outcome != nil }

  /// They ended otherwise than with OK.
  @inline(__always) var hasFailed: Bool { outcome?.isOK == false }
  /// How, if so.
  var failure: StatusError? { outcome?.error }

  /// What the caller gets, once that is certain.
  var verdict: StreamOutcome? { isIntercepted ? interceptedOutcome : outcome }
  var hasVerdict: Bool { isIntercepted ? interceptedOutcome != nil : outcome != nil }

  // MARK: Attempts

  /// What a call with one request and one answer begins with.
  struct Opening {
    let request: MessageFrame
    /// Who waits for the answer.
    let waiter: WaiterList.Waiter
  }

  /// Returns false where the call is over: then nobody resumes the waiter.
  mutating func open(_ opening: consuming Opening) -> Bool {
    let waiter = opening.waiter
    outgoing.outbox = Outbox(only: opening.request)
    return waitForVerdict(waiter)
  }

  /// The channel's configuration has something to say of the call; before its first attempt.
  mutating func follow(_ strategy: AttemptStrategy) { self.strategy = strategy }

  /// Subchannels that the next attempt avoids: of those that failed, and of those that run. Empty before the first one.
  var avoided: [Int] { past.subchannels + running.all.map(\.subchannel.id) }

  enum StartVerdict {
    /// The call is over, or has what it needs.
    case unwanted
    /// `next`: another one begins after this time whatever becomes of this one.
    case started(next: Duration?)
  }

  mutating func attemptStarted(_ attempt: CallAttempt) -> StartVerdict {
    guard !hasEnded, running.isEmpty || !isCommitted else { return .unwanted }
    past.next(attempt, running: running.count, isHedging: strategy.isHedging)
    lastPeer = attempt.connection.peer
    running.add(attempt)
    return .started(next: strategy.delayAfterStart())
  }

  /// There is no server for it yet.
  mutating func waits(since now: Moment) { past.waits(since: now) }

  enum NextVerdict {
    case begin
    case none
    case end(Ended)
  }

  /// The time for another attempt has come.
  mutating func nextIsDue(throttle: RetryThrottle) -> NextVerdict {
    timer = nil
    guard !hasEnded, !isCommitted else { return .none }
    if strategy.mayBegin(throttle: throttle) { return .begin }
    guard running.isEmpty, let failure = past.takeFailure() else { return .none }
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
    case end(Ended, abandoned: [CallAttempt])
  }

  mutating func attemptEnded(
    _ outcome: consuming StreamOutcome, on attempt: CallAttempt, throttle: RetryThrottle
  ) -> EndVerdict {
    guard running.contains(attempt) else { return .none }
    running.remove(attempt)
    let isCommitted = isCommitted || attempt.hasAnswer
    if !isCommitted {
      switch past.transparentRetries.next(after: outcome.processing) {
      case .none: break
      case .now:
        rewind(after: attempt)
        past.nextIsTransparent()
        return .again(after: .zero)
      case .after(let delay):
        rewind(after: attempt)
        past.nextIsTransparent()
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
      attempt.giveAnswer(&incoming, &response)
      let abandoned = running.isEmpty ? [] : running.removeAll()
      return .end(end(outcome), abandoned: abandoned)
    case .goOn, .another:
      rewind(after: attempt)
      past.failed(outcome)
      if case .another(let delay) = verdict { return .another(after: delay) }
      return .none
    }
  }

  /// Everything is still to be sent to the next one.
  private mutating func rewind(after attempt: CallAttempt) {
    past.add(attempt, isLast: running.isEmpty)
    guard running.isEmpty else { return }
    outgoing.isTransportFull = false
    outgoing.outbox.rewind()
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
    outgoing.outbox.drop(sentCount ?? 0)
    return abandoned
  }

  // MARK: The end

  /// What is left to do when the attempts have ended, or the caller's answer is settled.
  struct Ended {
    /// Everybody who waits has to look.
    let waiters: WaiterList
    /// Of an attempt that is not made any more.
    let timer: AttemptTimer?
    /// Who has said OK, where observers need not be told more: no text, and one attempt.
    let plainOrigin: StatusError.Origin?
  }

  /// Of what the caller gets, once that is certain.
  @inline(__always) func plainOrigin(of outcome: borrowing StreamOutcome) -> StatusError.Origin? {
    outcome.isOK && outcome.isBare && past.history == nil ? outcome.origin : nil
  }

  /// The attempts are over, once.
  mutating func end(_ outcome: consuming StreamOutcome) -> Ended {
    if !outcome.isOK, outcome.peer == nil { outcome = outcome.with(peer: lastPeer) }
    let plainOrigin = plainOrigin(of: outcome)
    self.outcome = outcome
    outgoing.outbox.removeAll()
    if past.lastFailure != nil { _ = past.takeFailure() }
    return Ended(waiters: takeWaiters(), timer: timer.take(), plainOrigin: plainOrigin)
  }

  mutating func takeWaiters() -> WaiterList {
    var all = enders.takeAll()
    if !incoming.readers.isEmpty { all.add(contentsOf: incoming.readers.takeAll()) }
    if !outgoing.writers.isEmpty { all.add(contentsOf: outgoing.writers.takeAll()) }
    if !incoming.metadataReaders.isEmpty { all.add(contentsOf: incoming.metadataReaders.takeAll()) }
    return all
  }

  /// What is left to do for a call whose caller's answer is settled.
  struct Settlement {
    /// Those that ran, to be cancelled.
    let attempts: [CallAttempt]
    let ended: Ended
    /// The attempts had not ended: the call may wait for a server.
    let wasRunning: Bool
  }

  /// Settles what the caller gets: the call is ended from this side, or its interceptors have come to an end. Nil: it was
  /// settled before.
  mutating func settle(_ outcome: consuming StreamOutcome) -> Settlement? {
    guard !hasVerdict else { return nil }
    if !outcome.isOK, !hasEnded || outcome.code == .deadlineExceeded {
      // Ended from this side: what nobody has read is not kept.
      incoming.inbox = Queue()
      response = nil
    }
    if isIntercepted { interceptedOutcome = outcome }
    let attempts = running.isEmpty ? [] : running.removeAll()
    let wasRunning = !hasEnded
    let ended = wasRunning ? end(outcome) : Ended(waiters: takeWaiters(), timer: nil, plainOrigin: nil)
    return Settlement(attempts: attempts, ended: ended, wasRunning: wasRunning)
  }
}
