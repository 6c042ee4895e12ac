package import VoleryNameResolution

/// Decides when a name is looked up: at once when somebody has lost a connection, otherwise every so often, and never more
/// than a few times in a row. A value; time comes from outside.
///
/// DNS often lags the server that says goodbye by some moments: a look-up that a lost connection caused and that brings
/// nothing new is followed by two more, soon. These, and those because an address can't be reached, leave one look-up of
/// the limit to the next loss.
///
/// A look-up that is not answered holds up nothing: the next one is due when it is due.
package struct RefreshSchedule {
  package typealias Instant = ContinuousClock.Instant

  /// At most this many look-ups in any window of this length, however many connections fail. Polls count where they are so
  /// rare that the others have to make room for them; with a short interval they are what the user asked for.
  package static let burst = 5
  package static let window = Duration.seconds(5)
  /// What look-ups other than after a loss leave to those.
  private static let reserve = 1
  private static let countedInterval = Duration.seconds(2)
  /// After an answer that was asked for and is the old one.
  private static let followUps = [Duration.milliseconds(200), .seconds(1)]
  /// After a failure, before anything was ever found: 1 s, then x1.6, at most the refresh interval.
  private static let firstRetry = Duration.seconds(1)
  /// A look-up that runs may have begun before what somebody saw just now: it gets this long, then there is another one.
  private static let patience = Duration.milliseconds(25)

  package enum Decision: Equatable {
    case lookUp
    /// Ask `next` again after this time.
    case wait(Duration)
  }

  private let interval: Duration
  private let jitter: () -> Double
  /// When the last look-ups that count began, oldest first; never more than `burst`.
  private var recent: [Instant] = []
  private var failures = 0
  private var pollAt: Instant?
  private var lastStart: Instant?
  /// The most urgent request since the last look-up began.
  private var asked: ResolveCause?
  private var followUpAt: Instant?
  /// Follow-ups that are still to come.
  private var followUps: ArraySlice<Duration> = []

  /// - Parameter jitter: Random between -1 and 1.
  package init(interval: Duration, jitter: @escaping () -> Double) {
    self.interval = interval
    self.jitter = jitter
  }

  /// Nobody has watched for a while: the next look-up is due at once.
  package mutating func restart() {
    pollAt = nil
    asked = nil
    followUpAt = nil
    followUps = []
  }

  /// Somebody wants to know whether there is something new.
  package mutating func asked(_ cause: ResolveCause) {
    asked = max(asked ?? cause, cause)
    if cause > .connectFailed { followUps = RefreshSchedule.followUps[...] }
  }

  /// A look-up has been answered, or given up.
  ///
  /// - Parameter isNew: It has found something else than the one before.
  package mutating func finished(isUsable: Bool, isNew: Bool, at now: Instant) {
    failures = isUsable ? 0 : failures + 1
    if isNew { followUps = [] }
    if let delay = followUps.popFirst(), delay < interval { followUpAt = now.advanced(by: delay) }
    guard failures > 0 else { return }
    var retry = RefreshSchedule.firstRetry
    for _ in 1..<max(1, min(failures, 16)) { retry = retry * 1.6 }
    let retryAt = now.advanced(by: min(retry, interval) * (1 + 0.2 * jitter()))
    pollAt = min(pollAt ?? retryAt, retryAt)
  }

  /// What to do now; `lookUp` counts as done.
  ///
  /// - Parameter isRunning: The last look-up has not been answered yet.
  package mutating func next(isRunning: Bool, at now: Instant) -> Decision {
    recent.removeAll { $0.duration(to: now) >= RefreshSchedule.window }
    let isPollCounted = interval >= RefreshSchedule.countedInterval
    let poll = pollAt.map { isPollCounted ? max($0, allowed(RefreshSchedule.burst, now)) : $0 } ?? now
    let other = [request(isRunning, now), isRunning ? nil : followUp(now)].compactMap { $0 }.min()
    let earliest = min(poll, other ?? poll)
    guard earliest <= now else { return .wait(now.duration(to: earliest)) }
    if isPollCounted || other.map({ $0 <= now }) ?? false { recent.append(now) }
    asked = nil
    followUpAt = nil
    lastStart = now
    pollAt = now.advanced(by: interval * (1 + 0.2 * jitter()))
    return .lookUp
  }

  private func request(_ isRunning: Bool, _ now: Instant) -> Instant? {
    switch asked {
    case nil: return nil
    case .connectFailed?:
      return isRunning ? nil : allowed(RefreshSchedule.burst - RefreshSchedule.reserve, now)
    case .connectionLost?, .requested?:
      let earliest = allowed(RefreshSchedule.burst, now)
      guard isRunning, let lastStart else { return earliest }
      return max(earliest, lastStart.advanced(by: RefreshSchedule.patience))
    }
  }

  private func followUp(_ now: Instant) -> Instant? {
    followUpAt.map { max($0, allowed(RefreshSchedule.burst - RefreshSchedule.reserve, now)) }
  }

  /// When there may be a look-up again if no more than `limit` may begin in a window.
  private func allowed(_ limit: Int, _ now: Instant) -> Instant {
    recent.count < limit ? now : recent[recent.count - limit].advanced(by: RefreshSchedule.window)
  }
}
