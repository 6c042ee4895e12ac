import Synchronization

/// Decides when a client asks whether the server of a connection is still there (a ping), when it stops giving it calls,
/// and when it gives it up. Never acts; a value of the connection's loop.
///
/// With a keepalive time, that is gRFC A8. Without one, a frozen server or a broken path is still found: a call's deadline
/// that passes without a byte since the call began, or 10 s without a byte while calls wait, cause one ping. Servers count
/// pings that come without data and cut off at the third within 5 minutes: there are never more than two.
struct ConnectionLiveness {
  typealias Instant = ContinuousClock.Instant

  enum Action: Equatable {
    case none
    case ping
    /// New calls go elsewhere; those that run may still be answered.
    case suspect(String)
    case giveUp(String)
  }

  struct Settings {
    /// The user's; nil: the default above.
    var keepaliveTime: Duration?
    var answerTime: Duration = .seconds(20)
    var asksWithoutCalls = false
  }

  /// Without a keepalive time: how long calls wait in silence before the server is asked.
  static let silence = Duration.seconds(10)
  /// Without a keepalive time: a ping unanswered for so long makes the connection suspect.
  static let suspicion = Duration.seconds(1)
  /// Servers count the pings of the last 5 minutes.
  static let pingMemory = Duration.seconds(310)
  static let maxPingsWithoutData = 2

  private let settings: Settings
  private let pace: PingPace
  /// Counts what has come in; a stream that remembers it knows whether anything has since.
  private(set) var receptions: UInt32 = 0
  private var lastReceived: Instant
  private var askedAt: Instant?
  private var isSuspect = false
  /// Since the server last sent headers or data; oldest first.
  private var pingsWithoutData: [Instant] = []

  init(_ settings: Settings, pace: PingPace, now: Instant) {
    self.settings = settings
    self.pace = pace
    lastReceived = now
  }

  // MARK: What happens

  mutating func received(now: Instant) {
    receptions &+= 1
    lastReceived = now
    askedAt = nil
  }

  /// Headers or data have come since the last ping: the server has forgotten our pings.
  mutating func dataReceived() {
    if !pingsWithoutData.isEmpty { pingsWithoutData = [] }
  }

  /// A call's deadline has passed, and nothing came in since it was opened, when `receptions` was as given.
  mutating func deadlinePassed(openedAt opening: UInt32, now: Instant) -> Action {
    guard receptions == opening, askedAt == nil, settings.keepaliveTime == nil else { return .none }
    forgetPings(now)
    return pingsWithoutData.count < ConnectionLiveness.maxPingsWithoutData ? ask(now) : .none
  }

  /// Time has passed. Look again after `next`; nil: when a call is opened.
  mutating func check(now: Instant, hasCalls: Bool) -> (action: Action, next: Duration?) {
    if let askedAt { return judge(askedAt, now) }
    guard hasCalls || settings.asksWithoutCalls else { return (.none, nil) }
    let silence = lastReceived.duration(to: now)
    let limit = settings.keepaliveTime.map { max($0, .seconds(10)) * pace.factor } ?? ConnectionLiveness.silence
    guard silence >= limit else { return (.none, limit - silence) }
    if settings.keepaliveTime == nil {
      forgetPings(now)
      if let last = pingsWithoutData.last {
        return (.none, ConnectionLiveness.pingMemory - last.duration(to: now))
      }
    }
    let action = ask(now)
    return (action, action == .ping ? firstAnswerTime : nil)
  }

  /// How long after a ping to look for its answer.
  var firstAnswerTime: Duration {
    settings.keepaliveTime == nil ? min(ConnectionLiveness.suspicion, settings.answerTime) : settings.answerTime
  }

  // MARK: Steps

  private mutating func ask(_ now: Instant) -> Action {
    guard settings.keepaliveTime != nil || !pace.isTooFast else { return .none }
    askedAt = now
    pingsWithoutData.append(now)
    if pingsWithoutData.count > ConnectionLiveness.maxPingsWithoutData { pingsWithoutData.removeFirst() }
    return .ping
  }

  private mutating func judge(_ askedAt: Instant, _ now: Instant) -> (Action, Duration?) {
    let waited = askedAt.duration(to: now)
    if waited >= settings.answerTime {
      return (.giveUp("a ping was not answered within \(settings.answerTime)"), nil)
    }
    let left = settings.answerTime - waited
    guard settings.keepaliveTime == nil, !isSuspect else { return (.none, left) }
    guard waited >= ConnectionLiveness.suspicion else { return (.none, ConnectionLiveness.suspicion - waited) }
    isSuspect = true
    return (.suspect("the server is silent: a ping was not answered within \(ConnectionLiveness.suspicion)"), left)
  }

  private mutating func forgetPings(_ now: Instant) {
    pingsWithoutData.removeAll { $0.duration(to: now) >= ConnectionLiveness.pingMemory }
  }
}

/// What a channel's connections have learnt about how often their servers like to be pinged (gRFC A8: a server that says
/// "too_many_pings" is asked half as often from then on). Any thread.
package final class PingPace: Sendable {
  private let doublings = Atomic<Int>(0)

  package init() {}

  /// Multiplies the keepalive time.
  var factor: Double { Double(1 << min(doublings.load(ordering: .relaxed), 10)) }

  /// A server has complained.
  var isTooFast: Bool { doublings.load(ordering: .relaxed) > 0 }

  func complained() { doublings.add(1, ordering: .relaxed) }
}
