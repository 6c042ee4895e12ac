/// Decides when a name is looked up: at once when somebody has lost a connection, otherwise every so often, and never more
/// than a few times in a row. A value; time comes from outside.
///
/// DNS often lags the server that says goodbye by some moments. A look-up that was asked for and brings nothing new is
/// therefore followed by two more, soon.
package struct RefreshSchedule {
  package typealias Instant = ContinuousClock.Instant

  /// At most this many look-ups in any window of this length, however many connections fail. Polls count where they are so
  /// rare that the others have to make room for them; with a short interval they are what the user asked for.
  package static let burst = 5
  package static let window = Duration.seconds(5)
  private static let countedInterval = Duration.seconds(2)
  /// After an answer that was asked for and is the old one.
  private static let followUps = [Duration.milliseconds(200), .seconds(1)]
  /// After a failure, before anything was ever found: 1 s, then x1.6, at most the refresh interval.
  private static let firstRetry = Duration.seconds(1)

  /// Why a look-up is due.
  package enum Cause: Sendable {
    /// The interval has passed.
    case poll
    /// Somebody has lost a connection.
    case asked
    /// What was asked for has brought nothing new.
    case followUp
  }

  private let interval: Duration
  private let jitter: () -> Double
  /// When the last look-ups that count began, oldest first; never more than `burst`.
  private var recent: [Instant] = []
  private var failures = 0
  private var isRunning = false
  /// Somebody asked while a look-up ran: its answer may be older than what they saw.
  private var isAskedAgain = false
  /// Follow-ups that are still to come.
  private var followUps: ArraySlice<Duration> = []

  /// - Parameter jitter: Random between -1 and 1.
  package init(interval: Duration, jitter: @escaping () -> Double) {
    self.interval = interval
    self.jitter = jitter
  }

  package enum Decision: Equatable {
    case lookUp
    /// Say `due` with this cause after this time, unless another decision comes first.
    case wait(Duration, Cause)
    /// A look-up runs; it is looked at again when that has ended.
    case nothing
  }

  package mutating func due(_ cause: Cause, at now: Instant) -> Decision {
    if cause == .asked { followUps = RefreshSchedule.followUps[...] }
    guard !isRunning else {
      if cause == .asked { isAskedAgain = true }
      return .nothing
    }
    if cause != .poll || interval >= RefreshSchedule.countedInterval {
      recent.removeAll { $0.duration(to: now) >= RefreshSchedule.window }
      if recent.count >= RefreshSchedule.burst {
        return .wait(RefreshSchedule.window - recent[0].duration(to: now), cause == .poll ? .poll : .followUp)
      }
      recent.append(now)
    }
    isRunning = true
    isAskedAgain = false
    return .lookUp
  }

  /// The look-up has ended; says when the next one is.
  ///
  /// - Parameter isNew: It has found something else than the one before.
  package mutating func finished(isUsable: Bool, isNew: Bool, at now: Instant) -> Decision {
    isRunning = false
    failures = isUsable ? 0 : failures + 1
    if isAskedAgain { return due(.asked, at: now) }
    if isNew { followUps = [] }
    if let delay = followUps.popFirst(), delay < interval { return .wait(delay, .followUp) }
    var delay = interval
    if failures > 0 {
      var retry = RefreshSchedule.firstRetry
      for _ in 1..<max(1, min(failures, 16)) { retry = retry * 1.6 }
      delay = min(delay, retry)
    }
    return .wait(delay * (1 + 0.2 * jitter()), .poll)
  }
}
