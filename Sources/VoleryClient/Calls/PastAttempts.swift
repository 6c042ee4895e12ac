import VoleryLoadBalancing
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// The attempts of a call that have ended without ending it, and what follows from them for the next one. A value, guarded by the
/// call's lock.
struct PastAttempts {
  /// Those that a server may have seen; `grpc-previous-rpc-attempts` of the next one.
  private(set) var count = 0
  /// Their subchannels: the next one prefers others.
  private(set) var subchannels: [Int] = []
  /// How the last one that a server may have seen has ended.
  private(set) var lastFailure: StreamOutcome?
  var transparentRetries = TransparentRetries()
  /// What observers are told of them; nil while there is nothing to tell, or nobody looks.
  private(set) var history: AttemptHistory?
  private let isObserved: Bool

  init(isObserved: Bool) { self.isObserved = isObserved }

  /// An attempt is over.
  mutating func add(_ attempt: CallAttempt, isLast: Bool) {
    subchannels.append(attempt.subchannel.id)
    if isLast { tell { $0.idles(since: .now) } }
  }

  /// A server may have seen it.
  mutating func failed(_ outcome: consuming StreamOutcome) {
    lastFailure = outcome
    count += 1
  }

  mutating func takeFailure() -> StreamOutcome? { lastFailure.take() }

  // MARK: For observers

  /// There is no server for the next one yet.
  mutating func waits(since now: Moment) { tell { $0.waits(since: now) } }

  /// No server has processed the last one.
  mutating func nextIsTransparent() { tell { $0.nextIsTransparent() } }

  /// The next one begins.
  ///
  /// - Parameter running: How many others run.
  mutating func next(_ attempt: CallAttempt, running: Int, isHedging: Bool) {
    attempt.place.previousAttempts = count + running
    guard isObserved, running > 0 || history != nil else { return }
    let isFirst = attempt.place.previousAttempts == 0
    tell { history in
      let (cause, waited) = history.started(at: .now, isFirst: isFirst, isHedging: isHedging)
      attempt.place.cause = cause
      attempt.place.waited = waited
    }
  }

  private mutating func tell(_ what: (AttemptHistory) -> Void) {
    guard isObserved else { return }
    let history = history ?? AttemptHistory()
    self.history = history
    what(history)
  }
}

/// Where an attempt stands among those of its call.
struct AttemptPlace {
  /// Sent as `grpc-previous-rpc-attempts`.
  var previousAttempts = 0
  /// For observers: why there is this attempt, and how long the call waited for its server.
  var cause = ObservedAttempt.Cause.first
  var waited = Duration.zero
}
