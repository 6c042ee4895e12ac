import Synchronization
public import VoleryTypes

/// One connection (with its backoff) to one endpoint, as policies and pickers see it. The channel makes it when a policy
/// asks, and tells the policy of its states; where the endpoint has several addresses, the connection is to the first one
/// that answers (Happy Eyeballs, RFC 8305).
///
/// Immutable but for the count of calls, which is atomic: pickers read it on callers' tasks.
public final class Subchannel: Sendable {
  /// Unique in the process, so that a picker which names another channel's subchannel is found out; of no channel, connection or
  /// server that observers are told of either.
  public let id: Int
  /// The server, as the policy has given it.
  public let endpoint: Endpoint
  /// What parents call the policies from below the channel's own down to the one that it was made for; for error messages.
  package let owner: [String]
  /// The channel's own object for this subchannel.
  package let connection: any Sendable & AnyObject
  private let outstanding = Atomic<Int>(0)

  /// - Parameters:
  ///   - ejects: Whether its server is left alone for a while when calls fail on it (`isEjected`).
  ///   - ejectsSlow: The same when it is slower than others, if its policy looks for that.
  ///   - asksResolver: Whether the resolver is asked again when its connection fails.
  package init(
    id: Int, endpoint: Endpoint, connection: any Sendable & AnyObject, owner: [String] = [], ejects: Bool = true,
    ejectsSlow: Bool = true,
    asksResolver: Bool = true, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
  ) {
    health = HealthRecord(now: now)
    slowness = SlownessRecord(now: now)
    standing = SubchannelStanding(health, slowness, asksResolver: asksResolver)
    self.ejects = ejects
    self.ejectsSlow = ejectsSlow
    self.id = id
    self.endpoint = endpoint
    self.owner = owner
    self.connection = connection
  }

  /// Calls picked for this subchannel that have not ended: what least-request policies compare.
  public var outstandingCalls: Int { outstanding.load(ordering: .relaxed) }

  /// What its server is worth now.
  package let standing: SubchannelStanding
  /// The standing's, both: a pick looks at them.
  let health: HealthRecord
  let slowness: SlownessRecord
  private let ejects: Bool
  private let ejectsSlow: Bool
  /// Nil: nobody looks for slow ones. Set once, before a picker has it.
  nonisolated(unsafe) private var detector: SlownessDetector?  // Isolation: constant
  private let removed = Atomic<Bool>(false)

  /// Whether its policy has given it up, and every picker since knows.
  package var isRemoved: Bool { removed.load(ordering: .relaxed) }

  package func setRemoved() { removed.store(true, ordering: .relaxed) }

  /// Whether its server is ejected: it has failed calls in a row, or not answered several, or is slower than the others, and
  /// pickers go elsewhere for a while, as long as no more than half of the servers are in that state. Never, where the channel's
  /// options say so (`ejectsFailingServers`, `ejectsSlowServers`). What the policy `outlier_detection` ejects is failing instead,
  /// and never comes to a picker.
  public var isEjected: Bool { health.isEjected() || slowness.isEjected() }

  /// Whether anything is held against its server, be it a probe's turn or not.
  var isMarked: Bool { health.isMarked || slowness.isMarked }

  /// Its policy wants to know whether it is slow.
  func judge(by detector: SlownessDetector) { if ejectsSlow { self.detector = detector } }

  /// Whether it wants to hear how long calls take.
  package var isJudged: Bool { detector != nil }

  /// A unary call took so long, which is over or has run past its deadline. Returns what that has changed, nil as a rule.
  package func unaryCallEnded(method: Int, nanoseconds: Int64, code: StatusCode) -> StandingChange? {
    guard let detector, code == .ok || code == .deadlineExceeded else { return nil }
    return detector.callEnded(on: self, method: method, nanoseconds: nanoseconds, wentWell: code == .ok)
  }

  /// Whether its connection runs as many calls as the server allows (MAX_CONCURRENT_STREAMS): a call would have to wait
  /// there. Pickers go elsewhere while they can.
  public var isFull: Bool { standing.isFull }

  package func callStarted() { outstanding.add(1, ordering: .relaxed) }
  /// Returns what that has changed, nil as a rule.
  @discardableResult package func callEnded(code: StatusCode, origin: StatusError.Origin) -> StandingChange? {
    outstanding.subtract(1, ordering: .relaxed)
    return ejects ? health.callEnded(code: code, origin: origin) : nil
  }
}

/// What is known of a subchannel's server from its calls and its connection. Both the policies' side and the channel's have it:
/// the channel's needs no weak reference to the subchannel, which would make each reference to that dearer. Any thread.
package final class SubchannelStanding: Sendable {
  /// Turns that others took because it was busier, less those that it took of others (`RoundRobinLeastRequestPicker`).
  let owedTurns = Atomic<Int>(0)
  let health: HealthRecord
  let slowness: SlownessRecord
  private let full = Atomic<Bool>(false)
  private let answered = Atomic<Bool>(false)

  /// Whether the resolver is asked again when its connection fails.
  package let asksResolver: Bool

  init(_ health: HealthRecord, _ slowness: SlownessRecord, asksResolver: Bool) {
    self.asksResolver = asksResolver
    self.health = health
    self.slowness = slowness
  }

  var isFull: Bool { full.load(ordering: .relaxed) }

  package func setFull(_ isFull: Bool) { full.store(isFull, ordering: .relaxed) }

  /// Whether a call was answered since the last connection was opened.
  package var hasAnswered: Bool { answered.load(ordering: .relaxed) }

  /// A call was answered. Returns whether it is the first since the last connection was opened.
  package func isFirstAnswer() -> Bool {
    !answered.load(ordering: .relaxed) && !answered.exchange(true, ordering: .relaxed)
  }

  /// A new connection is ready: what was held against the old one's server is forgotten.
  package func connected() {
    full.store(false, ordering: .relaxed)
    answered.store(false, ordering: .relaxed)
    owedTurns.store(0, ordering: .relaxed)
    health.forget()
    slowness.forget()
  }
}
