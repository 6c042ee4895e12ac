import VoleryTransport
import VoleryTypes

/// One attempt to reach an endpoint by any of its addresses: Happy Eyeballs (RFC 8305, gRFC A61). Each address is tried
/// when the one before it has failed or has had 250 ms; the first connection wins. In the channel's control plane.
final class EndpointAttempt: @unchecked Sendable {
  enum Outcome {
    case connected(any ClientConnection, handle: any ConnectionAttempt)
    /// Names each address and its own error.
    case failed(StatusError)
  }

  static let stagger = Duration.milliseconds(250)

  private let endpoint: Endpoint
  private let timeout: Duration
  private unowned let core: ChannelCore
  private var completion: ((Outcome) -> Void)?
  private var next = 0
  private var running: [Int: any ConnectionAttempt] = [:]
  private var errors: [String] = []
  private var timer: (any TransportTimer)?

  init(endpoint: Endpoint, timeout: Duration, core: ChannelCore, completion: @escaping (Outcome) -> Void) {
    self.endpoint = endpoint
    self.timeout = timeout
    self.core = core
    self.completion = completion
  }

  func start() { tryNext() }

  private func tryNext() {
    timer?.cancel()
    guard completion != nil, next < endpoint.addresses.count else { return }
    let index = next
    next += 1
    let observer = AddressObserver(attempt: self, index: index, core: core)
    let attempt = core.connector.connect(
      to: endpoint.addresses[index], authority: core.authority, serverName: endpoint.attributes.serverName,
      timeout: timeout, observer: observer)
    observer.attempt = attempt
    running[index] = attempt
    if next < endpoint.addresses.count {
      timer = core.loop.scheduleTimer(after: EndpointAttempt.stagger) { [weak self] in self?.tryNext() }
    }
  }

  fileprivate func ready(_ index: Int, _ connection: any ClientConnection) -> Bool {
    guard let completion = completion.take(), let winner = running.removeValue(forKey: index) else { return false }
    timer?.cancel()
    for attempt in running.values { attempt.cancel() }
    running = [:]
    completion(.connected(connection, handle: winner))
    return true
  }

  fileprivate func failed(_ index: Int, _ error: String) {
    guard running.removeValue(forKey: index) != nil, completion != nil else { return }
    errors.append("\(endpoint.addresses[index]): \(error)")
    if next < endpoint.addresses.count { return tryNext() }
    guard running.isEmpty, let completion = completion.take() else { return }
    completion(.failed(StatusError(.unavailable, errors.joined(separator: ", "))))
  }

  func cancel() {
    completion = nil
    timer?.cancel()
    for attempt in running.values { attempt.cancel() }
    running = [:]
  }
}

/// Hears of one connection on its loop and brings it to the channel's control plane, first as an attempt, then as the
/// subchannel's connection.
private final class AddressObserver: ClientConnectionObserver, @unchecked Sendable {
  private let index: Int
  private weak let core: ChannelCore?
  // In the control plane.
  private weak var owner: EndpointAttempt?
  var attempt: (any ConnectionAttempt)?

  init(attempt: EndpointAttempt, index: Int, core: ChannelCore) {
    self.owner = attempt
    self.index = index
    self.core = core
  }

  private func inControlPlane(_ work: @escaping @Sendable (ChannelCore) -> Void) {
    guard let core else { return }
    core.loop.execute { work(core) }
  }

  func connectionReady(_ connection: any ClientConnection) {
    inControlPlane { [self] core in
      guard let owner, owner.ready(index, connection) else { return connection.close(reason: "not needed") }
      self.owner = nil
    }
  }

  func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool) {
    inControlPlane { [self] core in
      guard let attempt else { return }
      core.capacityChanged(ObjectIdentifier(attempt), connection, hasRoom: hasRoom)
    }
  }

  func connectionDraining(_ connection: any ClientConnection, reason: String) {
    inControlPlane { [self] core in
      guard let attempt else { return }
      core.connectionEnded(ObjectIdentifier(attempt))
    }
  }

  func connectionClosed(error: String?) {
    inControlPlane { [self] core in
      if let owner {
        owner.failed(index, error ?? "closed")
      } else if let attempt {
        core.connectionEnded(ObjectIdentifier(attempt))
      }
      attempt = nil
    }
  }
}
