import Synchronization
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// How a connection came to take no more calls.
struct ConnectionEnd: Sendable {
  var reason: String
  /// Nil: the connection is lost.
  var cause: DrainCause?
  var tally: ConnectionTally
}

/// One connection of a channel, from the dial to its end. Hears of it on the connection's loop and brings it to the
/// channel's control plane: first to the dial that made it, then to the subchannel that uses it.
final class ChannelConnection: ClientConnectionObserver, @unchecked Sendable {  // Isolation: loop
  let address: SocketAddress
  /// The subchannel's number.
  private let subchannel: Int
  /// For observers.
  private var life: ConnectionLife?
  private weak let core: ChannelCore?
  /// The control plane's.
  private let loop: any TransportLoop
  private enum Availability: UInt8, AtomicRepresentable {
    case hasRoom
    /// It runs as many calls as the server allows.
    case full
    /// It takes no more calls; what calls read last may still offer it.
    case ending
  }

  /// Any thread; written on the connection's loop.
  private let availability = Atomic<Availability>(.hasRoom)
  private let used = Atomic<Bool>(false)

  // In the control plane.
  private weak var dial: EndpointDial?
  private weak var driver: SubchannelDriver?
  /// Whom it is told what became of the calls that were under way when this began to end.
  private weak var formerDriver: SubchannelDriver?
  private var handle: (any Dial)?

  /// Set before calls can see this object, and not changed after.
  private(set) var connection: (any ClientConnection)?

  /// On the connection's loop, until its end.
  private var source: (any ClientConnection)?

  let startedAt: ChannelClock.Instant

  init(to address: SocketAddress, of subchannel: Int, dial: EndpointDial, core: ChannelCore) {
    self.address = address
    self.subchannel = subchannel
    startedAt = core.clock.now()
    self.dial = dial
    self.core = core
    loop = core.loop
  }

  /// Any thread.
  var hasRoom: Bool { availability.load(ordering: .relaxed) == .hasRoom }

  /// Any thread: no more calls, though it may be offered still; there is news soon.
  var isEnding: Bool { availability.load(ordering: .relaxed) == .ending }

  /// Any thread: a call was given to it.
  func markUse() {
    if !used.load(ordering: .relaxed) { used.store(true, ordering: .relaxed) }
  }

  /// Whether a call was given to it since this was last asked.
  func takeUse() -> Bool { used.exchange(false, ordering: .relaxed) }

  // MARK: In the control plane

  /// - Parameter attributes: Of the endpoint.
  func start(timeout: Duration, attributes: Attributes) {
    guard let core else { return }
    if let observer = core.dataPlane.observer {
      life = ConnectionLife(subchannel: subchannel, address: address, of: core.dataPlane.observed, observer)
    }
    handle = core.connectors.connector(for: attributes).connect(
      to: address, authority: core.authority, serverName: attributes.serverName, timeout: timeout, observer: self)
  }

  /// Gives the dial up; nothing more is heard of it.
  func cancel() {
    dial = nil
    handle.take()?.cancel()
    life?.abandoned()
  }

  func adopt(by driver: SubchannelDriver) {
    dial = nil
    self.driver = driver
    core?.ending.openConnections[ObjectIdentifier(self)] = self
  }

  /// No more calls; those that run finish.
  func drain() {
    driver = nil
    life?.ending(.unwanted, "the channel does not want it any more")
    connection?.drain()
  }

  func close(reason: String) {
    driver = nil
    life?.ending(.unwanted, reason)
    connection?.close(reason: reason)
  }

  /// The channel lives at least until `work` has run.
  private func inControlPlane(_ work: @escaping @Sendable (ChannelCore) -> Void) {
    guard let core else { return }
    core.loop.execute { withExtendedLifetime(core) { work(core) } }
  }

  // MARK: ClientConnectionObserver, on the connection's loop

  func connectionReady(_ connection: any ClientConnection) {
    guard core != nil else { return connection.close(reason: "the channel was closed") }
    source = connection
    inControlPlane { [self] _ in
      guard let dial else { return connection.close(reason: "not needed") }
      self.connection = connection
      life?.connected(connection)
      dial.opened(self)
    }
  }

  func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool) {
    guard !isEnding else { return }
    availability.store(hasRoom ? .hasRoom : .full, ordering: .relaxed)
    inControlPlane { [self] _ in driver?.capacityChanged() }
  }

  func connectionNearsEnd(_ connection: any ClientConnection, cause: NearEnd) {
    inControlPlane { [self] _ in driver?.connectionNearsEnd(self, cause) }
  }

  func connectionDraining(_ connection: any ClientConnection, cause: DrainCause, reason: String) {
    // At once: calls that the server has refused pick again before the control plane has heard of it.
    availability.store(.ending, ordering: .relaxed)
    let tally = connection.tally
    inControlPlane { [self] _ in
      life?.ending(ConnectionLoss(cause), reason)
      ended(ConnectionEnd(reason: reason, cause: cause, tally: tally))
    }
  }

  func connectionClosed(error: String?) {
    availability.store(.ending, ordering: .relaxed)
    let tally = source.take()?.tally ?? ConnectionTally()
    let reason = error ?? "closed"
    let core = core
    // Observers hear of it even if the channel is gone.
    loop.execute { [self] in
      life?.ended(reason, streams: tally.opened)
      guard let core else { return }
      withExtendedLifetime(core) {
        core.ending.openConnections[ObjectIdentifier(self)] = nil
        handle = nil
        ended(ConnectionEnd(reason: reason, cause: nil, tally: tally))
      }
    }
  }

  /// For new calls it is over, though calls may still run on it.
  private func ended(_ end: ConnectionEnd) {
    if let dial {
      self.dial = nil
      dial.failed(self, end.reason)
    } else if let driver {
      self.driver = nil
      if end.cause != nil, SubchannelState.Use(end.tally) == .undecided { formerDriver = driver }
      driver.connectionEnded(self, end)
    } else if let driver = formerDriver {
      formerDriver = nil
      driver.lastCallEnded(end.tally)
    }
  }
}
