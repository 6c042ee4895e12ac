import Configuration
import Foundation
import Testing
import Volery
import VoleryConfiguration

@Suite("Options from a configuration", .timeLimit(.minutes(1))) struct OptionTests {
  private static func reader(_ environment: [String: String]) -> Configuration.ConfigReader {
    Configuration.ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
  }

  @Test("of a server come from the environment, over the defaults") func environment() async throws {
    let options = try await ServerOptions(
      configuration: Self.reader([
        "GRPC_SERVER_MAX_CONCURRENT_CALLS": "500", "GRPC_SERVER_DRAIN_LIMIT": "2.5",
        "GRPC_SERVER_HANDLES_SIGNALS": "false",
        "GRPC_SERVER_COMPRESSION": "gzip", "GRPC_SERVER_MAX_CONCURRENT_STREAMS": "7",
        "GRPC_SERVER_MAX_BUFFERED_BYTES": "2000000",
      ]).scoped(to: "grpc.server"))
    #expect(options.maxConcurrentCalls == 500 && options.maxConcurrentStreams == 7)
    #expect(options.drainLimit == .milliseconds(2500) && !options.handlesSignals && options.compression == .gzip)
    #expect(options.maxBufferedBytes == 2_000_000)
    #expect(options.maxMetadataBytes == ServerOptions().maxMetadataBytes && options.maxConnectionAge == .seconds(300))
  }

  @Test("of a channel come from a file, and the environment goes before it") func file() async throws {
    let path = NSTemporaryDirectory() + "volery-\(UInt64.random(in: 0 ... .max)).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try #"""
    {"grpc": {"orders": {"idleTimeout": 60, "maxConnectionsPerServer": 2, "loadBalancingPolicy": "round_robin",
      "serviceConfig": "{\"methodConfig\": [{\"name\": [{}], \"timeout\": \"3s\"}]}"}}}
    """#.write(toFile: path, atomically: true, encoding: .utf8)
    let config = Configuration.ConfigReader(providers: [
      EnvironmentVariablesProvider(environmentVariables: ["GRPC_ORDERS_MAX_CONNECTIONS_PER_SERVER": "3"]),
      try await FileProvider<JSONSnapshot>(config: Self.reader(["FILE_PATH": path])),
    ])
    let options = try await ChannelOptions(configuration: config.scoped(to: "grpc.orders"))
    #expect(options.idleTimeout == .seconds(60) && options.maxConnectionsPerServer == 3)
    #expect(options.loadBalancingPolicy == "round_robin")
    #expect(options.serviceConfig[.all]?.timeout == .seconds(3))
  }

  @Test(
    "that can't be are errors with their key",
    arguments: [
      ("MAX_CONCURRENT_CALLS", "0", "the key maxConcurrentCalls can't be 0: it takes 1 or more"),
      ("MAX_CONCURRENT_CALLS", "many", "the key maxConcurrentCalls: "),
      ("MAX_METADATA_BYTES", "20000000", "the key maxMetadataBytes can't be 20000000: it takes 0 to 16777216"),
      ("DRAIN_LIMIT", "-1", "the key drainLimit can't be -1.0: it takes seconds, 0 to 31622400"),
      ("DRAIN_LIMIT", "nan", "the key drainLimit"), ("HANDLES_SIGNALS", "perhaps", "the key handlesSignals: "),
      ("COMPRESSION", "brotli", "there is no compression \"brotli\"; known are identity, gzip, deflate"),
    ])
  func impossible(_ key: String, _ value: String, _ text: String) async throws {
    let error = await #expect(throws: ConfigurationError.self) {
      try await ServerOptions(configuration: Self.reader([key: value]))
    }
    #expect("\(error!)".contains(text), "\(error!)")
  }

  @Test("are all in Docs/Configuration.md") func documentation() throws {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Docs/Configuration.md")
    let tables = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "| Channel |")
    func names(_ text: String) -> Set<String> {
      Set(
        text.split(separator: "\n").filter {
          $0.hasPrefix("| ") && !$0.hasPrefix("| Server") && !$0.hasPrefix("| Takes")
        }
        .flatMap { $0.split(separator: "|")[0].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } })
    }
    #expect(names(tables[0]) == Set(ServerOptions.configurationKeys.map(\.name)))
    #expect(names(tables[1]) == Set(ChannelOptions.configurationKeys.map(\.name)))
  }
}
