public import Configuration
public import VoleryClient
import VoleryTypes

extension ChannelOptions {
  /// Options from a configuration: the defaults, where it says nothing. Docs/Configuration.md lists the keys.
  ///
  ///     let options = try await ChannelOptions(configuration: config.scoped(to: "grpc.orders"))
  ///
  /// - Throws: `ConfigurationError` with the key, where a value is none that the option can have.
  public init(configuration: Configuration.ConfigReader) async throws {
    self.init()
    try await configure(from: configuration)
  }

  /// What the configuration says, over what these options have.
  public mutating func configure(from configuration: Configuration.ConfigReader) async throws {
    try await configuration.apply(ChannelOptions.configurationKeys, to: &self)
  }

  package static var configurationKeys: [OptionKey<ChannelOptions>] {
    [
      .count("maxResponseMessageBytes", \.maxResponseMessageBytes, in: 0...Int(UInt32.max)),
      .count("maxMetadataBytes", \.maxMetadataBytes, in: 0...16 << 20),
      .count("maxBufferedBytesPerConnection", \.maxBufferedBytesPerConnection, in: 256 << 10...Int.max),
      .count(optional: "maxBufferedBytes", \.maxBufferedBytes, in: 1 << 20...Int.max),
      .count("maxConnectionsPerServer", \.maxConnectionsPerServer, in: 1...10),
      .seconds("connectTimeout", \.connectTimeout),
      .seconds("reconnectSpread", \.reconnectSpread),
      .seconds("connectionAttemptDelay", \.connectionAttemptDelay),
      .seconds(optional: "maxConnectionAge", \.maxConnectionAge),
      .seconds("idleTimeout", \.idleTimeout),
      .seconds(optional: "keepaliveTime", \.keepaliveTime),
      .seconds("keepaliveTimeout", \.keepaliveTimeout),
      .seconds(optional: "refreshInterval", \.refreshInterval),
      .flag("keepaliveWithoutCalls", \.keepaliveWithoutCalls),
      .flag("checksHealth", \.checksHealth),
      .flag("ejectsFailingServers", \.ejectsFailingServers),
      .flag("ejectsSlowServers", \.ejectsSlowServers),
      .text("loadBalancingPolicy") { $1.loadBalancingPolicy = $0 },
      .text("serviceConfig") { $1.serviceConfig = try ServiceConfig(json: $0) },
      .text("authority") { $1.authority = $0 },
      .text("userAgent") { $1.userAgent = $0 },
      .text("compression") { $1.compression = try Compression(configured: $0) },
    ]
  }
}
