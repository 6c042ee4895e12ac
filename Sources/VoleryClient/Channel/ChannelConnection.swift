import Synchronization
import VoleryTransport
import VoleryTypes

/// One connection of a channel, from the attempt to its end. Hears of it on the connection's loop and brings it to the
/// channel's control plane: first to the attempt that made it, then to the subchannel that uses it.
final class ChannelConnection: ClientConnectionObserver, @unchecked Sendable {
  let address: SocketAddress
  private weak let core: ChannelCore?
  /// Any thread: it runs as many calls as the server allows.
  private let full = Atomic<Bool>(false)
  private let used = Atomic<Bool>(false)

  // In the control plane.
  private weak var attempt: EndpointAttempt?
  private weak var driver: SubchannelDriver?
  private var handle: (any ConnectionAttempt)?

  /// Set before calls can see this object, and not changed after.
  private(set) var connection: (any ClientConnection)?

  init(to address: SocketAddress, attempt: EndpointAttempt, core: ChannelCore) {
    self.address = address
    self.attempt = attempt
    self.core = core
  }

  /// Any thread.
  var isFull: Bool { full.load(ordering: .relaxed) }

  /// Any thread: a call was given to it.
  func markUse() {
    if !used.load(ordering: .relaxed) { used.store(true, ordering: .relaxed) }
  }

  /// Whether a call was given to it since this was last asked.
  func takeUse() -> Bool { used.exchange(false, ordering: .relaxed) }

  // MARK: In the control plane

  func start(timeout: Duration, serverName: String?) {
    guard let core else { return }
    handle = core.connector.connect(
      to: address, authority: core.authority, serverName: serverName, timeout: timeout, observer: self)
  }

  /// Gives the attempt up; nothing more is heard of it.
  func cancel() {
    attempt = nil
    handle.take()?.cancel()
  }

  func adopt(by driver: SubchannelDriver) {
    attempt = nil
    self.driver = driver
    core?.openConnections[ObjectIdentifier(self)] = self
  }

  /// No more calls; those that run finish.
  func drain() {
    driver = nil
    connection?.drain()
  }

  func close(reason: String) {
    driver = nil
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
    inControlPlane { [self] _ in
      guard let attempt else { return connection.close(reason: "not needed") }
      self.connection = connection
      attempt.opened(self)
    }
  }

  func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool) {
    full.store(!hasRoom, ordering: .relaxed)
    inControlPlane { [self] _ in driver?.capacityChanged() }
  }

  func connectionDraining(_ connection: any ClientConnection, cause: DrainCause, reason: String) {
    inControlPlane { [self] _ in ended(reason, cause) }
  }

  func connectionClosed(error: String?) {
    inControlPlane { [self] core in
      core.openConnections[ObjectIdentifier(self)] = nil
      handle = nil
      ended(error ?? "closed")
    }
  }

  /// For new calls it is over, though calls may still run on it.
  private func ended(_ reason: String, _ cause: DrainCause? = nil) {
    if let attempt {
      self.attempt = nil
      attempt.failed(self, reason)
    } else if let driver {
      self.driver = nil
      driver.connectionEnded(self, reason: reason, cause: cause)
    }
  }
}
