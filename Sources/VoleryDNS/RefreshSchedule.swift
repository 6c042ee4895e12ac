/// Decides when a name is looked up: at once when somebody has lost a connection, otherwise every so often, and never more
/// than a few times in a row. A value; time comes from outside.
package struct RefreshSchedule {
  package typealias Instant = ContinuousClock.Instant

  /// At most this many look-ups in any window of this length, however many connections fail.
  package static let burst = 5
  package static let window = Duration.seconds(5)
  /// After a failure, before anything was ever found: 1 s, then x1.6, at most the refresh interval.
  private static let firstRetry = Duration.seconds(1)

  private let interval: Duration
  private let jitter: () -> Double
  /// When the last look-ups began, oldest first; never more than `burst`.
  private var recent: [Instant] = []
  private var failures = 0
  private var isRunning = false
  /// Somebody asked while a look-up ran: its answer may be older than what they saw.
  private var isAskedAgain = false

  /// - Parameter jitter: Random between -1 and 1.
  package init(interval: Duration, jitter: @escaping () -> Double) {
    self.interval = interval
    self.jitter = jitter
  }

  package enum Decision: Equatable {
    case lookUp
    case wait(Duration)
    /// A look-up runs; it is looked at again when that has ended.
    case nothing
  }

  /// The time has come, or somebody asks for a fresh answer.
  package mutating func due(at now: Instant) -> Decision {
    guard !isRunning else {
      isAskedAgain = true
      return .nothing
    }
    recent.removeAll { $0.duration(to: now) >= RefreshSchedule.window }
    if recent.count >= RefreshSchedule.burst { return .wait(RefreshSchedule.window - recent[0].duration(to: now)) }
    recent.append(now)
    isRunning = true
    isAskedAgain = false
    return .lookUp
  }

  /// The look-up has ended; says when the next one is.
  package mutating func finished(isUsable: Bool, at now: Instant) -> Decision {
    isRunning = false
    failures = isUsable ? 0 : failures + 1
    if isAskedAgain { return due(at: now) }
    var delay = interval
    if failures > 0 {
      var retry = RefreshSchedule.firstRetry
      for _ in 1..<max(1, min(failures, 16)) { retry = retry * 1.6 }
      delay = min(delay, retry)
    }
    return .wait(delay * (1 + 0.2 * jitter()))
  }
}
