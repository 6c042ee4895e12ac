import Synchronization
import VoleryTransport
import VoleryTypes

/// Makes one connection to an endpoint, by any of its addresses: Happy Eyeballs (RFC 8305, gRFC A61). Each address is tried
/// when the one before it has failed or has had its time (250 ms); the first connection wins. While slow ones are still
/// waited for, those that have failed are tried again, each by its own backoff. In the channel's control plane.
final class EndpointDial: @unchecked Sendable {  // Isolation: loop
  enum Outcome {
    case opened(ChannelConnection)
    /// Names each address and its own error.
    case failed(StatusError)
  }

  /// The most addresses that an error names.
  private static let namedErrors = 8

  private let endpoint: Endpoint
  private let subchannel: Int
  private let timeout: Duration
  private unowned let core: ChannelCore
  private var completion: ((Outcome) -> Void)?
  private var next = 0
  private var running: [ObjectIdentifier: ChannelConnection] = [:]
  /// Each address's last one, in the order of their first.
  private var errors: [(address: SocketAddress, text: String)] = []
  private var backoffs: [SocketAddress: Backoff] = [:]
  private var starts: [SocketAddress: ChannelClock.Instant] = [:]
  private var redials: [SocketAddress: any TransportTimer] = [:]
  private var timer: (any TransportTimer)?

  /// - Parameters:
  ///   - timeout: For each address, from its own start to the server's SETTINGS.
  ///   - completion: Called once, unless `cancel` comes first.
  init(
    endpoint: Endpoint, subchannel: Int, timeout: Duration, core: ChannelCore, completion: @escaping (Outcome) -> Void
  ) {
    self.endpoint = endpoint
    self.subchannel = subchannel
    self.timeout = timeout
    self.core = core
    self.completion = completion
  }

  func start() {
    guard !endpoint.addresses.isEmpty else { return finish(.failed(StatusError(.unavailable, "it has no address"))) }
    tryNext()
  }

  func cancel() {
    completion = nil
    stop()
  }

  /// Somebody else wants to know what comes of it.
  func handOver(to completion: @escaping (Outcome) -> Void) {
    if self.completion != nil { self.completion = completion }
  }

  private func tryNext() {
    timer?.cancel()
    timer = nil
    guard completion != nil, next < endpoint.addresses.count else { return }
    next += 1
    begin(endpoint.addresses[next - 1])
    if next < endpoint.addresses.count {
      timer = core.loop.scheduleTimer(after: core.options.stagger) { [weak self] in self?.tryNext() }
    }
  }

  private func begin(_ address: SocketAddress) {
    let connection = ChannelConnection(to: address, of: subchannel, dial: self, core: core)
    let now = core.clock.now()
    starts[address] = now
    running[ObjectIdentifier(connection)] = connection
    core.report.dials.withLock { $0.started(address, at: now) }
    connection.start(timeout: timeout, attributes: endpoint.attributes)
  }

  /// Others are still waited for: this address gets another chance meanwhile.
  private func scheduleRedial(of address: SocketAddress) {
    let now = core.clock.now()
    let wait = backoffs[address, default: Backoff(core.options.backoff)].failed(random: core.clock.random())
    let left = wait - (starts[address] ?? now).duration(to: now)
    redials[address] = core.loop.scheduleTimer(after: max(left, .zero)) { [weak self] in
      guard let self, completion != nil, redials.removeValue(forKey: address) != nil else { return }
      begin(address)
    }
  }

  func opened(_ connection: ChannelConnection) {
    guard running.removeValue(forKey: ObjectIdentifier(connection)) != nil else {
      return connection.close(reason: "not needed")
    }
    core.report.dials.withLock { $0.forget(connection.address) }
    finish(.opened(connection))
  }

  func failed(_ connection: ChannelConnection, _ reason: String) {
    guard running.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    let address = connection.address
    if let index = errors.firstIndex(where: { $0.address == address }) {
      errors[index].text = reason
    } else {
      errors.append((address, reason))
    }
    core.report.dials.withLock { $0.failed(connection.address, reason, at: core.clock.now()) }
    if next < endpoint.addresses.count {
      scheduleRedial(of: address)
      return tryNext()
    }
    if !running.isEmpty { scheduleRedial(of: address) } else { finish(.failed(StatusError(.unavailable, errorText))) }
  }

  private var errorText: String {
    let more = errors.count - EndpointDial.namedErrors
    return errors.prefix(EndpointDial.namedErrors).map { "\($0.address): \($0.text)" }.joined(separator: ", ")
      + (more > 0 ? " and \(more) more" : "")
  }

  private func finish(_ outcome: Outcome) {
    let completion = completion.take()
    stop()
    completion?(outcome)
  }

  private func stop() {
    timer?.cancel()
    timer = nil
    for redial in redials.values { redial.cancel() }
    redials = [:]
    for connection in running.values {
      core.report.dials.withLock { $0.gaveUp(connection.address) }
      connection.cancel()
    }
    running = [:]
  }
}
