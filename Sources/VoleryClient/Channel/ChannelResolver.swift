import VoleryNameResolution
import VoleryTransport

/// A channel's resolver, from the call that wakes the channel until it rests: makes it, and has calls wait for it where that
/// is worth it. In the control plane.
struct ChannelResolver {
  /// How long calls, and whoever wants to connect again, wait for the look-up that a lost connection has caused.
  static let holdLimit = Duration.seconds(1)
  /// Until one that could not be made is made again.
  private static let restartDelay = Duration.seconds(1)

  private let factory: any ResolverFactory
  private var driver: ResolverDriver?
  private var restart: (any TransportTimer)?
  private var hold: (any TransportTimer)?

  init(_ factory: any ResolverFactory) { self.factory = factory }

  var isMade: Bool { driver != nil }

  /// Whether a lost connection may mean that its answer will change.
  var mayChange: Bool { driver?.isFixed == false }

  var answersResolveNow: Bool { driver?.answersResolveNow == true }

  /// Calls that would fail wait: what seems lost may be about to come back elsewhere.
  var holdsCalls: Bool { hold != nil }

  /// - Returns: To be started.
  mutating func make(for core: ChannelCore) throws -> ResolverDriver {
    let made = ResolverDriver(
      try factory.makeResolver(for: core.target), loop: core.loop, clock: core.clock
    ) { [weak core] in core?.resolverSaid($0) }
    driver = made
    return made
  }

  mutating func makeLater(for core: ChannelCore) {
    restart = core.loop.scheduleTimer(after: ChannelResolver.restartDelay) { [weak core] in core?.exitIdle() }
  }

  func resolveNow(_ cause: ResolveCause) { driver?.resolveNow(cause) }

  /// The last connection is lost, and the name is looked up.
  mutating func beginHold(for core: ChannelCore) {
    guard hold == nil, mayChange else { return }
    hold = core.loop.scheduleTimer(after: ChannelResolver.holdLimit) { [weak core] in core?.endHold() }
  }

  /// Returns whether calls have waited.
  mutating func endHold() -> Bool {
    guard let hold = hold.take() else { return false }
    hold.cancel()
    return true
  }

  /// The channel rests.
  mutating func stop() {
    driver.take()?.stop()
    restart.take()?.cancel()
    hold.take()?.cancel()
  }
}
