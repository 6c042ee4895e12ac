import ArgumentParser
import Volery
import VoleryReflection
import VoleryXDS

/// gRPC's xds-test client (grpc/grpc doc/xds-test-descriptions.md): calls at a steady rate, to any target, and tells where they
/// went.
struct BalancedClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "xds-client",
    abstract: "Makes calls at a fixed rate and serves LoadBalancerStatsService; SIGTERM ends it with 0.")

  @Option(name: .customLong("server"), help: "A target of any scheme, xds:///orders too.") var server: String
  @Option(name: .customLong("stats_port"), help: "Of the services that tell of the calls; 0: any, which is printed.")
  var statsPort = 8080
  @Option(name: .customLong("num_channels")) var channelCount = 1
  @Option(name: .customLong("qps"), help: "Calls per second of each method, on each channel.") var rate = 1
  @Option(name: .customLong("rpc"), help: "EmptyCall, UnaryCall, or both with a comma between them.") var methods =
    "UnaryCall"
  @Option(name: .customLong("metadata"), help: "METHOD:KEY:VALUE, several with commas between them.") var metadata = ""
  @Option(name: .customLong("rpc_timeout_sec")) var timeout = 20
  @Option(name: .customLong("expect_status"), help: "The name of the status that calls have to end with.")
  var expectedStatus = "OK"
  @Option(
    name: [.customLong("fail_on_failed_rpcs"), .customLong("fail_on_failed_rpc")],
    help: "true: exit with 1 for a call that fails after one has succeeded.")
  var failsOnFailure = false
  @Option(name: .customLong("print_response"), help: "true: a line for each call, METHOD STATUS PEER.") var prints =
    false
  @Option(name: .customLong("request_payload_size"), help: "Bytes of UnaryCall's request.") var requestBytes = 0
  @Option(name: .customLong("response_payload_size"), help: "Bytes of its response.") var responseBytes = 0
  @Option(name: .customLong("lb"), help: "The load balancing policy, where the resolver gives none.") var policy:
    String?
  @Option(
    name: .customLong("secure_mode"),
    help: "true: TLS as the control plane says of a cluster (gRFC A29), plaintext where it says nothing.")
  var isSecure = false

  func validate() throws {
    guard (1...1000).contains(channelCount), (1...10_000).contains(rate), (1...86400).contains(timeout) else {
      throw ValidationError("--num_channels is 1 to 1000, --qps 1 to 10000, --rpc_timeout_sec 1 to 86400")
    }
    guard (0...65535).contains(statsPort) else { throw ValidationError("--stats_port is 0 to 65535") }
    let sizes = 0...(4 << 20)
    guard sizes.contains(requestBytes), sizes.contains(responseBytes) else {
      throw ValidationError("--request_payload_size and --response_payload_size are 0 to \(sizes.upperBound)")
    }
    _ = try plan()
    _ = try expected()
  }

  private func expected() throws -> StatusCode {
    guard let code = StatusCode(name: expectedStatus) else {
      throw ValidationError("--expect_status \(expectedStatus) is no status; OK, for example, or UNAVAILABLE")
    }
    return code
  }

  private func plan() throws -> TestCallPlan {
    let named = try methods.split(separator: ",").map { try TestMethod(flag: $0) }
    guard !named.isEmpty else { throw ValidationError("--rpc names no method") }
    var plan = TestCallPlan(methods: named, metadata: [:], timeout: .seconds(timeout))
    for entry in metadata.split(separator: ",") {
      let parts = entry.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { throw ValidationError("--metadata \(entry) is not METHOD:KEY:VALUE") }
      plan.metadata[try TestMethod(flag: parts[0]), default: Metadata()].append(String(parts[2]), for: String(parts[1]))
    }
    return plan
  }

  func run() async throws {
    let configuration = ClientConfiguration(try plan())
    let statistics = CallStatistics(expected: try expected())
    let channels = try (0..<channelCount).map { _ in try channel() }
    let services = Server(services: [
      LoadBalancerStatistics(statistics: statistics), configuration, Health(), Reflection(),
    ])
    var request = SimpleRequest(responseSize: Int32(clamping: responseBytes), fillServerID: true)
    if requestBytes > 0 { request.payload = Payload(body: [UInt8](repeating: 0, count: requestBytes)) }
    let calls = BalancedCalls(
      statistics: statistics, configuration: configuration, request: request, rate: rate, prints: prints,
      failsOnFailure: failsOnFailure)
    let hasFailed = try await withThrowingTaskGroup(of: Bool.self) { group in
      for channel in channels { group.addTask { await calls.run(on: TestServiceClient(channel)) } }
      // The first that ends, ends all: SIGTERM, which the server of the services hears, or a failure that must not be.
      group.addTask {
        try await services.run(listeningOn: .tcp("::", statsPort)) { printLine("LISTENING \($0[0])") }
        return false
      }
      let first = try await group.next() ?? false
      group.cancelAll()
      services.shutDown()
      return first
    }
    for channel in channels { channel.close() }
    if hasFailed { throw ExitCode(1) }
  }

  private func channel() throws -> Channel {
    var options = ChannelOptions()
    options.useXDS()
    if let policy { options.loadBalancingPolicy = policy }
    let credentials = isSecure ? ChannelCredentials.xds(fallback: .plaintext) : .plaintext
    do { return try Channel(server, credentials: credentials, options: options) } catch {
      throw ValidationError("\(error)")
    }
  }
}
