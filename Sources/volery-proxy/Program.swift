import ArgumentParser
import Logging
import Volery
import VoleryKubernetes
import VoleryMetrics
import VoleryPlatform
import VoleryPrometheus
import VoleryProxy
import VoleryProxyConfiguration

/// Forwards any gRPC call to the servers behind its targets.
@main
struct Program: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-proxy",
    abstract: "Forwards any gRPC call, without its .proto, to the servers behind its targets.",
    discussion: """
      Settings come from a file of YAML, over it from the environment (VOLERY_PROXY_LISTEN), over that from the options here. \
      SIGTERM and SIGINT let the calls that run end, and then end the program with 0; SIGHUP reads the file anew, and so does \
      a change of it. Wrong settings end it with 2.
      """)

  @Option(help: "A file of settings (YAML): targets, routes, TLS and the rest.") var config: String?
  @Option(help: "Check a file of settings, with the environment and the other options, and do nothing else.")
  var check: String?
  @Option(help: "Listen on ADDR:PORT or unix:/path; may be given often. 0.0.0.0:8080.") var listen: [String] = []
  @Option(help: "Where calls go, as a channel's target: dns:///orders:50051, k8s:///orders.shop:grpc.") var target:
    String?
  @Option(help: "What is added to x-proxied-by. volery-proxy.") var name: String?
  @Option(help: "Event loops; one for each core, which is the most.") var loops: String?
  @Option(name: .customLong("max-hops"), help: "Calls that have come through so many proxies are refused.") var maxHops:
    String?
  @Option(help: "The :authority that servers get: client, target, or a name.") var authority: String?
  @Option(name: .customLong("access-log"), help: "Lines for calls, on standard error: none, compact or full.")
  var accessLog: String?
  @Option(help: "Answer GET /metrics, for Prometheus, on ADDR:PORT or unix:/path. Nowhere.") var metrics: String?
  @OptionGroup(title: "TLS") var tls: TLSFlags

  static func main() async {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
    } catch {
      end(with: error)
    }
  }

  /// 0 for help, 2 for what the settings say wrong, 1 for everything else.
  private static func end(with error: any Error) -> Never {
    let code = exitCode(for: error)
    let isOfSettings = error is TargetError || error is SettingFaults
    let isWrong = code == .validationFailure || isOfSettings
    let text = isOfSettings ? "\(error)" : fullMessage(for: error)
    printLine(text, on: code == .success ? 1 : 2)
    VoleryPlatform.exit(code == .success ? 0 : isWrong ? 2 : 1)
  }

  func validate() throws {
    guard config == nil || check == nil else { throw ValidationError("--config and --check are not for one run") }
  }

  func run() async throws {
    let source = SettingSource(
      file: check ?? config, arguments: arguments, resolvers: [KubernetesResolverFactory()])
    guard let check else { return try await serve(source) }
    try await source.read().checkParts()
    printLine("\(check) is right")
  }

  private func serve(_ source: SettingSource) async throws {
    let backend = PrometheusBackend()
    let proxy = try await ConfiguredProxy(source, services: [Health()], logger: Logger(label: "volery.proxy")) {
      MetricsObserver(factory: backend, options: metricsOptions)
    }
    let port = try proxy.metrics.map { try MetricsPort(listeningOn: $0) { backend.text } }
    defer { port?.stop() }
    try await proxy.following {
      try await proxy.proxy.run(listeningOn: proxy.listen) { addresses in
        for address in addresses { printLine("LISTENING \(address)") }
        if let port { printLine("METRICS \(port.address)") }
      }
    }
  }

  /// A proxy does not look at messages: their sizes would be 0.
  private var metricsOptions: MetricsOptions {
    var options = MetricsOptions()
    options.disabled = [
      "grpc.client.attempt.sent_total_compressed_message_size",
      "grpc.client.attempt.rcvd_total_compressed_message_size",
    ]
    return options
  }

  private var arguments: [SettingArgument] {
    var arguments = tls.arguments
    func add(_ option: String, _ key: String, _ value: String?) {
      if let value { arguments.append(SettingArgument(option, key, values: .one(value))) }
    }
    if !listen.isEmpty { arguments.append(SettingArgument("--listen", "listen", values: .several(listen))) }
    add("--target", "target", target)
    add("--name", "name", name)
    add("--loops", "loops", loops)
    add("--max-hops", "maxHops", maxHops)
    add("--authority", "authority", authority)
    add("--access-log", "accessLog", accessLog)
    add("--metrics", "metrics", metrics)
    return arguments
  }
}
