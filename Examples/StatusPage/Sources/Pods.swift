import Synchronization
import Volery
import VoleryStatus

/// Servers of this process that come and go, and the resolver that says so.
final class Pods: Sendable {
  static let quote = Method<[UInt8], [UInt8]>(service: "demo.Quotes", name: "Quote", kind: .unary)
  static let order = Method<[UInt8], [UInt8]>(service: "demo.Quotes", name: "Order", kind: .unary)

  /// Takes some milliseconds, seldom many; orders fail now and then.
  struct Quotes: Service {
    let delay: ClosedRange<Int>

    var handlers: [MethodHandler] {
      [
        .unary(Pods.quote) { [delay] request, _ in
          try await Task.sleep(for: .milliseconds(.random(in: 0..<50) == 0 ? 120 : .random(in: delay)))
          return request
        },
        .unary(Pods.order) { request, _ in
          if .random(in: 0..<40) == 0 { throw StatusError(.failedPrecondition, "sold out") }
          return request
        },
      ]
    }
  }

  let resolver = ManualResolver(scheme: "pods")
  private let page: StatusPage
  private let running = Mutex<[(server: Server, address: SocketAddress)]>([])

  init(_ page: StatusPage) { self.page = page }

  /// One more.
  func add() throws {
    var options = ServerOptions()
    options.observers = [page]
    let slowness = running.withLock { $0.count % 3 }
    let server = Server(services: [Quotes(delay: (1 + slowness)...(4 + 6 * slowness))], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    running.withLock { $0.append((server, address)) }
    publish()
  }

  /// The oldest goes, as in a rollout.
  func stopOldest() async {
    let oldest = running.withLock { $0.isEmpty ? nil : $0.removeFirst() }
    publish()
    await oldest?.server.drain()
  }

  private func publish() {
    let endpoints = running.withLock { $0.map { Endpoint($0.address) } }
    resolver.publish(.resolved(Resolution(endpoints: endpoints)))
  }
}
