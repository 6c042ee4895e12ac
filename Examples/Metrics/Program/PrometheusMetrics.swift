import CoreMetrics
import Volery
import VoleryMetrics
import VoleryPrometheus

/// Three servers, a channel that calls them, and their metrics in Prometheus' text format, on a page that Prometheus can read:
///
///     prometheus-metrics           300 calls, then the text
///     prometheus-metrics 9464      calls on and on; http://127.0.0.1:9464/metrics
@main
struct PrometheusMetrics {
  static let echo = Method<[UInt8], [UInt8]>(service: "demo.Echo", name: "Echo", kind: .unary)

  struct Echo: Service {
    var handlers: [MethodHandler] { [.unary(PrometheusMetrics.echo) { request, _ in request }] }
  }

  static func main() async throws {
    let backend = PrometheusBackend()
    MetricsSystem.bootstrap(backend)
    // One for all of the process, once the backend is there.
    let metrics = MetricsObserver()

    var servers: [Server] = []
    var targets: [String] = []
    for _ in 0..<3 {
      var options = ServerOptions()
      options.observers = [metrics]
      let server = Server(services: [Echo()], options: options)
      targets.append(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0].description)
      servers.append(server)
    }

    var options = ChannelOptions()
    options.observers = [metrics]
    let channel = try Channel("ipv4:\(targets.joined(separator: ","))", options: options)
    if let port = CommandLine.arguments.dropFirst().first.flatMap({ UInt16($0) }) {
      try MetricsPage.serve(on: port) { backend.text }
      print("http://127.0.0.1:\(port)/metrics")
      while true {
        _ = try await channel.unary(echo, [1, 2, 3])
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    for number in 0..<300 { _ = try await channel.unary(echo, [UInt8(number % 256)]) }
    channel.close()
    for server in servers { await server.drain() }
    print(backend.text)
  }
}
