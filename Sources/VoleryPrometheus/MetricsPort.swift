package import VoleryEventLoops
import VoleryPlatform

/// Answers `GET /metrics` on a port, in Prometheus' text format. It has a thread of its own, so that writing thousands of series holds up
/// no calls. Small for whoever asks it: few connections at once, a short head, one request each, some seconds for all of it.
package final class MetricsPort: @unchecked Sendable {  // Isolation: loop
  /// At once; further ones are closed as they come.
  package static let mostConnections = 16

  /// Where it really listens: port 0 has become a port.
  package let address: SocketDestination
  private let loop: EventLoop
  private let listener: Listener
  private let connections: Connections

  /// Those that are open. On the loop.
  private final class Connections: @unchecked Sendable {  // Isolation: loop
    @exclusivity(unchecked) private var open: [ObjectIdentifier: ScrapeConnection] = [:]
    @exclusivity(unchecked) private var isStopped = false

    func add(
      _ descriptor: Int32, isTCP: Bool, on loop: EventLoop, limit: Duration, _ metrics: @escaping @Sendable () -> String
    ) {
      guard !isStopped, open.count < MetricsPort.mostConnections else {
        VoleryPlatform.close(descriptor)
        return
      }
      // One that is gone already.
      guard let socket = try? Socket(adopting: descriptor, isTCP: isTCP, on: loop) else { return }
      let id = ObjectIdentifier(socket)
      let connection = ScrapeConnection(socket, limit: limit, metrics: metrics) { [weak self] in self?.open[id] = nil }
      open[id] = connection
      connection.start()
    }

    func stop() {
      isStopped = true
      for connection in open.values { connection.close() }
    }
  }

  /// Listens at once, and answers until `stop`.
  ///
  /// - Parameters:
  ///   - limit: How long a connection may take for all of it.
  ///   - metrics: What it answers with, asked each time on its own thread.
  /// - Throws: Where it can't listen.
  package init(
    listeningOn destination: SocketDestination, limit: Duration = .seconds(10),
    metrics: @escaping @Sendable () -> String
  ) throws(SocketError) {
    let loop = try EventLoop()
    let connections = Connections()
    do throws(SocketError) {
      listener = try Listener(destination, on: loop, backlog: 64) { descriptor, isTCP in
        connections.add(descriptor, isTCP: isTCP, on: loop, limit: limit, metrics)
      }
    } catch {
      loop.stop()
      throw error
    }
    self.loop = loop
    self.connections = connections
    address = listener.localAddress
    listener.start()
  }

  /// Closes it and what is open there. Any thread; once.
  package func stop() {
    listener.stop()
    loop.execute { [connections] in connections.stop() }
    loop.stop()
  }
}
