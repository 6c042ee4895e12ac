package import VoleryTransport
package import VoleryTypes

/// Decides how one subchannel behaves; never acts. Owned by the channel's control plane, so it needs no lock.
///
///     idle --connect--> [pausing] --> connecting --opened--> ready --last connection lost--> idle
///                                       |   ^
///                                failed v   | wait over and wanted (else idle)
///                                     backingOff             (shutDown: from anywhere, final)
///
/// The wait after a failed dial is the specification's, counted from the dial's start (doc/connection-backoff.md).
/// It starts over once a connection has proved itself: served calls, or lived for a while where none came. The specification
/// resets when the peer's SETTINGS arrive, which lets a server that says GOAWAY at once make its clients connect without end.
/// Not its age decides, but its use: a proxy may end each connection after 50 calls, many times a second.
package struct SubchannelState {
  package typealias Instant = ChannelClock.Instant

  package enum Phase: Equatable {
    case idle
    /// Told to connect; waits because the address may be gone, or so that a server's clients do not come all at once.
    case pausing
    case connecting(since: Instant)
    case ready(since: Instant)
    case backingOff
    case shutDown
  }

  /// What the driver has to do.
  package enum Action: Equatable {
    case none
    /// Open a connection, and give up after this time.
    case connect(timeout: Duration)
    /// Call `waitOver` after this time, unless another action comes first.
    case wait(Duration)
    case stopWaiting
  }

  /// Connections without a call that ended sooner after their SETTINGS were useless.
  package static let shortLife = Duration.milliseconds(500)
  /// So many useless connections in a row are taken for bad luck.
  package static let toleratedUselessLives = 3

  package private(set) var phase = Phase.idle
  /// Why the last dial failed; nil once one has succeeded.
  package private(set) var error: StatusError?
  private let connectTimeout: Duration
  private var backoff: Backoff
  private var dials = 0
  private var dialedAt: Instant?
  private var uselessLives = 0
  private var isWanted = false
  /// Not before this.
  private var notBefore: Instant?
  /// Not before this either, unless the resolver has answered meanwhile.
  private var resolutionLimit: Instant?

  package init(backoff: ConnectionBackoff = ConnectionBackoff(), connectTimeout: Duration = .seconds(20)) {
    self.backoff = Backoff(backoff)
    self.connectTimeout = connectTimeout
  }

  /// The state as policies see it.
  package var connectivity: ConnectivityState {
    switch phase {
    case .idle: .idle
    case .pausing, .connecting: .connecting
    case .ready: .ready
    case .backingOff: .transientFailure
    case .shutDown: .shutdown
    }
  }

  // MARK: What is wanted

  package mutating func connectRequested(now: Instant) -> Action {
    switch phase {
    case .idle: return begin(now)
    case .backingOff: isWanted = true
    case .pausing, .connecting, .ready, .shutDown: break  // Already on it, or too late.
    }
    return .none
  }

  /// The application wants no more waiting.
  package mutating func backoffReset(now: Instant) -> Action {
    backoff.reset()
    uselessLives = 0
    notBefore = nil
    resolutionLimit = nil
    switch phase {
    case .pausing: return begin(now)
    case .backingOff: return leaveBackoff(now)
    case .idle, .connecting, .ready, .shutDown: return .none
    }
  }

  /// There is nothing else to go to, and the resolver insists: tries at once, without starting the backoff over.
  ///
  /// - Parameter limit: Unless the last dial has begun later than this.
  package mutating func redialWanted(ifStartedBefore limit: Instant, now: Instant) -> Action {
    guard phase == .backingOff, let dialedAt, dialedAt <= limit else { return .none }
    return leaveBackoff(now)
  }

  package mutating func removed() -> Action {
    phase = .shutDown
    return .stopWaiting
  }

  // MARK: What happens

  package mutating func waitOver(now: Instant) -> Action {
    switch phase {
    case .pausing: begin(now)
    case .backingOff: leaveBackoff(now)
    case .idle, .connecting, .ready, .shutDown: .none
    }
  }

  /// The look-up that a lost connection caused is answered, and this endpoint is still there.
  package mutating func resolutionAnswered(now: Instant) -> Action {
    resolutionLimit = nil
    return phase == .pausing ? begin(now) : .none
  }

  package mutating func connectionOpened(now: Instant) {
    guard case .connecting = phase else { return }
    phase = .ready(since: now)
    error = nil
    dials = 0
  }

  package mutating func dialFailed(_ error: StatusError, now: Instant, random: Double) -> Action {
    guard case .connecting(let start) = phase else { return .none }
    return backOff(error, from: start, now: now, random: random)
  }

  /// What a connection was good for.
  package enum Use: Equatable, Sendable {
    /// The server has answered calls.
    case served
    /// It has answered none yet, but has taken some that it may still answer: a verdict follows.
    case undecided
    /// Calls were sent, and none was answered.
    case none
    /// No call was sent.
    case idle

    package init(_ tally: ConnectionTally) {
      self = tally.served > 0 ? .served : tally.underWay > 0 ? .undecided : tally.opened > 0 ? .none : .idle
    }
  }

  /// How the last connection of a ready subchannel ended.
  package struct Loss {
    var reason: String
    var use: Use
    /// Wait this long before the next dial.
    var pause: Duration
    /// Wait for the resolver, at most this long.
    var resolutionLimit: Duration

    package init(
      reason: String, use: Use, pause: Duration = .zero, resolutionLimit: Duration = .zero
    ) {
      self.reason = reason
      self.use = use
      self.pause = pause
      self.resolutionLimit = resolutionLimit
    }
  }

  package mutating func connectionLost(_ loss: Loss, now: Instant, random: Double) -> Action {
    guard case .ready(let since) = phase else { return .none }
    var isUseless = false
    switch loss.use {
    case .served: verdict(wasUseful: true)
    case .undecided: break
    case .none: isUseless = true
    case .idle:
      isUseless = since.duration(to: now) < SubchannelState.shortLife
      if !isUseless { verdict(wasUseful: true) }
    }
    if isUseless {
      verdict(wasUseful: false)
      if uselessLives > SubchannelState.toleratedUselessLives {
        let text = "connections end without having served a call, \(uselessLives) in a row: \(loss.reason)"
        return backOff(StatusError(.unavailable, text), from: dialedAt ?? now, now: now, random: random)
      }
    }
    phase = .idle
    isWanted = false
    var pause = loss.pause
    if uselessLives > 1 { pause = max(pause, .milliseconds(10 << min(uselessLives, 6))) }
    notBefore = now.advanced(by: pause)
    resolutionLimit = loss.resolutionLimit > .zero ? now.advanced(by: loss.resolutionLimit) : nil
    return .none
  }

  /// What a connection was good for, at once or, where calls went on after its loss, later.
  package mutating func verdict(wasUseful: Bool) {
    if wasUseful {
      uselessLives = 0
      backoff.reset()
    } else {
      uselessLives += 1
    }
  }

  // MARK: Steps

  private mutating func begin(_ now: Instant) -> Action {
    let earliest = max(notBefore ?? now, resolutionLimit ?? now)
    guard earliest <= now else {
      phase = .pausing
      return .wait(now.duration(to: earliest))
    }
    notBefore = nil
    resolutionLimit = nil
    isWanted = false
    dials += 1
    dialedAt = now
    phase = .connecting(since: now)
    // The first dials are given up sooner, so that a black hole does not hold up the start.
    return .connect(timeout: min(connectTimeout, .seconds(1 << min(dials - 1, 10))))
  }

  private mutating func backOff(_ error: StatusError, from start: Instant, now: Instant, random: Double) -> Action {
    self.error = error
    phase = .backingOff
    isWanted = false
    return .wait(max(backoff.failed(random: random) - start.duration(to: now), .zero))
  }

  private mutating func leaveBackoff(_ now: Instant) -> Action {
    phase = .idle
    return isWanted ? begin(now) : .stopWaiting
  }
}
