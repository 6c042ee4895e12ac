import ArgumentParser
import Volery

struct InteropClient: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client", abstract: "Runs the interoperability test cases against a server.")

  @Option(name: .customLong("server_host")) var host = "localhost"
  @Option(name: .customLong("server_port")) var port: Int
  @Option(name: .customLong("server_host_override")) var hostOverride: String?
  @OptionGroup var tls: TLSFlags
  @Flag(name: .customLong("use_tls")) var usesTLS = false
  @Option(name: .customLong("test_case"), help: "One case's name, several with commas between them, or all.")
  var testCase = "large_unary"
  @Option(name: .customLong("concurrent_calls"), help: "How many of concurrent_large_unary.") var concurrentCalls = 1000
  @Option(name: .customLong("service_config_json")) var serviceConfig: String?
  @Option(name: .customLong("additional_metadata"), help: "k:v;k:v") var additionalMetadata: String?
  @Option(name: .customLong("soak_iterations")) var soakIterations = 10
  @Option(name: .customLong("soak_max_failures")) var soakMaxFailures = 0
  @Option(name: .customLong("soak_per_iteration_max_acceptable_latency_ms")) var soakMaxLatency = 1000
  @Option(name: .customLong("soak_overall_timeout_seconds")) var soakTimeout: Int?
  @Option(name: .customLong("soak_min_time_ms_between_rpcs")) var soakPause = 0
  @Option(name: .customLong("soak_request_size")) var soakRequestBytes = 271828
  @Option(name: .customLong("soak_response_size")) var soakResponseBytes = 314159

  func validate() throws {
    for name in names where InteropCases.named[name] == nil {
      let known = InteropCases.all.map(\.name).joined(separator: ", ")
      throw ValidationError("unknown test case \"\(name)\"; known are: \(known), all")
    }
  }

  private var names: [String] {
    testCase == "all"
      ? InteropCases.all.filter(\.isPartOfAll).map(\.name)
      : testCase.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  func run() async throws {
    let names = names
    var hasFailed = false
    for name in names {
      do {
        let environment = try CaseEnvironment(self)
        try await withTimeLimit(name.hasSuffix("soak") ? .seconds(600) : .seconds(60)) {
          try await InteropCases.named[name]!.run(environment)
        }
        printLine("PASS \(name)")
      } catch let error as Unsupported where names.count > 1 {
        printLine("SKIP \(name): \(error)")
      } catch {
        hasFailed = true
        printLine("FAIL \(name): \(error)")
      }
    }
    if hasFailed { throw ExitCode(1) }
  }
}

/// What a case needs: channels to the server, and the flags.
struct CaseEnvironment: Sendable {
  let flags: InteropClient
  let channel: Channel
  var client: TestServiceClient { TestServiceClient(channel) }

  init(_ flags: InteropClient) throws {
    self.flags = flags
    channel = try CaseEnvironment.makeChannel(flags)
  }

  static func makeChannel(
    _ flags: InteropClient, _ adjust: (inout ChannelOptions) -> Void = { _ in }
  ) throws -> Channel {
    var options = ChannelOptions()
    options.authority = flags.hostOverride
    if let json = flags.serviceConfig { options.serviceConfig = try ServiceConfig(json: json) }
    adjust(&options)
    let host = flags.host.contains(":") && !flags.host.hasPrefix("[") ? "[\(flags.host)]" : flags.host
    let credentials = flags.usesTLS ? flags.tls.credentials(serverName: flags.hostOverride) : .plaintext
    return try Channel("dns:///\(host):\(flags.port)", credentials: credentials, options: options)
  }

  func options(timeout: Duration = .seconds(30)) -> CallOptions {
    var options = CallOptions(timeout: timeout)
    for pair in (flags.additionalMetadata ?? "").split(separator: ";") {
      let parts = pair.split(separator: ":", maxSplits: 1).map(String.init)
      if parts.count == 2 { options.metadata.append(parts[1], for: parts[0]) }
    }
    return options
  }
}

/// The server lacks an optional feature that a case is about; a case that was asked for by its name fails then.
struct Unsupported: Error, CustomStringConvertible {
  let description: String
}

/// A case's expectation that does not hold.
struct CaseFailure: Error, CustomStringConvertible {
  let description: String
}

func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
  if !condition { throw CaseFailure(description: text()) }
}

/// The status that a call fails with.
func expectFailure(_ call: () async throws -> Void) async throws -> StatusError {
  do {
    try await call()
  } catch let error as StatusError {
    return error
  }
  throw CaseFailure(description: "the call succeeded")
}

func withTimeLimit(_ limit: Duration, _ body: @escaping @Sendable () async throws -> Void) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: limit)
      throw CaseFailure(description: "not done within \(limit)")
    }
    defer { group.cancelAll() }
    try await group.next()
  }
}
