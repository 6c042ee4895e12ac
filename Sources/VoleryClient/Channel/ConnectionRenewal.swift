import VoleryTransport
import VoleryTypes

/// Replaces a subchannel's connections when they are old (`ChannelOptions.maxConnectionAge`): connects anew, and hands over
/// only once that has worked; until then the old one serves on. In the channel's control plane.
final class ConnectionRenewal: @unchecked Sendable {
  private struct Connection {
    var timer: (any TransportTimer)?
    var attempt: EndpointAttempt?
    var backoff: Backoff
  }

  private let maxAge: Duration
  private let endpoint: Endpoint
  private unowned let core: ChannelCore
  /// The old one and the new one.
  private let renewed: (ChannelConnection, ChannelConnection) -> Void
  private var connections: [ObjectIdentifier: Connection] = [:]

  init(
    maxAge: Duration, endpoint: Endpoint, core: ChannelCore,
    renewed: @escaping (ChannelConnection, ChannelConnection) -> Void
  ) {
    self.maxAge = max(maxAge, .milliseconds(100))
    self.endpoint = endpoint
    self.core = core
    self.renewed = renewed
  }

  func opened(_ connection: ChannelConnection) {
    connections[ObjectIdentifier(connection)] = Connection(backoff: Backoff(core.options.backoff))
    wait(maxAge * (0.9 + 0.2 * core.clock.random()), for: connection)
  }

  func ended(_ connection: ChannelConnection) {
    guard let gone = connections.removeValue(forKey: ObjectIdentifier(connection)) else { return }
    gone.timer?.cancel()
    gone.attempt?.cancel()
  }

  func stop() {
    for connection in connections.values {
      connection.timer?.cancel()
      connection.attempt?.cancel()
    }
    connections = [:]
  }

  private func wait(_ delay: Duration, for connection: ChannelConnection) {
    connections[ObjectIdentifier(connection)]?.timer = core.loop.scheduleTimer(after: delay) {
      [weak self, weak connection] in
      if let connection { self?.renew(connection) }
    }
  }

  private func renew(_ connection: ChannelConnection) {
    let attempt = EndpointAttempt(endpoint: endpoint, timeout: .seconds(5), core: core) {
      [weak self, weak connection] in
      if let connection { self?.attempted($0, for: connection) }
    }
    connections[ObjectIdentifier(connection)]?.timer = nil
    connections[ObjectIdentifier(connection)]?.attempt = attempt
    attempt.start()
  }

  private func attempted(_ outcome: EndpointAttempt.Outcome, for connection: ChannelConnection) {
    let id = ObjectIdentifier(connection)
    connections[id]?.attempt = nil
    switch outcome {
    case .opened(let new):
      guard connections.removeValue(forKey: id) != nil else { return new.close(reason: "not needed") }
      renewed(connection, new)
    case .failed:
      guard let delay = connections[id]?.backoff.failed(random: core.clock.random()) else { return }
      wait(delay, for: connection)
    }
  }
}
