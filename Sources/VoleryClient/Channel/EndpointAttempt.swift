import VoleryTransport
import VoleryTypes

/// One attempt to reach an endpoint by any of its addresses: Happy Eyeballs (RFC 8305, gRFC A61). Each address is tried
/// when the one before it has failed or has had its time (250 ms); the first connection wins. In the channel's control
/// plane.
final class EndpointAttempt: @unchecked Sendable {
  enum Outcome {
    case opened(ChannelConnection)
    /// Names each address and its own error.
    case failed(StatusError)
  }

  /// The most addresses that an error names.
  private static let namedErrors = 8

  private let endpoint: Endpoint
  private let timeout: Duration
  private unowned let core: ChannelCore
  private var completion: ((Outcome) -> Void)?
  private var next = 0
  private var running: [ObjectIdentifier: ChannelConnection] = [:]
  private var errors: [String] = []
  private var timer: (any TransportTimer)?

  /// - Parameters:
  ///   - timeout: For each address, from its own start to the server's SETTINGS.
  ///   - completion: Called once, unless `cancel` comes first.
  init(endpoint: Endpoint, timeout: Duration, core: ChannelCore, completion: @escaping (Outcome) -> Void) {
    self.endpoint = endpoint
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

  private func tryNext() {
    timer?.cancel()
    timer = nil
    guard completion != nil, next < endpoint.addresses.count else { return }
    let connection = ChannelConnection(to: endpoint.addresses[next], attempt: self, core: core)
    next += 1
    running[ObjectIdentifier(connection)] = connection
    connection.start(timeout: timeout, serverName: endpoint.attributes.serverName)
    if next < endpoint.addresses.count {
      timer = core.loop.scheduleTimer(after: core.options.stagger) { [weak self] in self?.tryNext() }
    }
  }

  func opened(_ connection: ChannelConnection) {
    guard running.removeValue(forKey: ObjectIdentifier(connection)) != nil else {
      return connection.close(reason: "not needed")
    }
    finish(.opened(connection))
  }

  func failed(_ connection: ChannelConnection, _ reason: String) {
    guard running.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    errors.append("\(connection.address): \(reason)")
    if next < endpoint.addresses.count { return tryNext() }
    if running.isEmpty { finish(.failed(StatusError(.unavailable, errorText))) }
  }

  private var errorText: String {
    let more = errors.count - EndpointAttempt.namedErrors
    return errors.prefix(EndpointAttempt.namedErrors).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }

  private func finish(_ outcome: Outcome) {
    let completion = completion.take()
    stop()
    completion?(outcome)
  }

  private func stop() {
    timer?.cancel()
    timer = nil
    for connection in running.values { connection.cancel() }
    running = [:]
  }
}
