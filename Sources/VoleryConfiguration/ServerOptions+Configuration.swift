public import Configuration
public import VoleryServer
import VoleryTypes

extension ServerOptions {
  /// Options from a configuration: the defaults, where it says nothing. Docs/Configuration.md lists the keys.
  ///
  ///     let config = ConfigReader(provider: EnvironmentVariablesProvider())
  ///     let options = try await ServerOptions(configuration: config.scoped(to: "grpc.server"))
  ///
  /// - Throws: `ConfigurationError` with the key, where a value is none that the option can have.
  public init(configuration: Configuration.ConfigReader) async throws {
    self.init()
    try await configure(from: configuration)
  }

  /// What the configuration says, over what these options have.
  public mutating func configure(from configuration: Configuration.ConfigReader) async throws {
    try await configuration.apply(ServerOptions.configurationKeys, to: &self)
  }

  package static var configurationKeys: [OptionKey<ServerOptions>] {
    [
      .count("maxRequestMessageBytes", \.maxRequestMessageBytes, in: 0...Int(UInt32.max)),
      .count("maxMetadataBytes", \.maxMetadataBytes, in: 0...16 << 20),
      .count("maxConcurrentStreams", \.maxConcurrentStreams, in: 1...Int(Int32.max)),
      .count("maxConcurrentCalls", \.maxConcurrentCalls, in: 1...Int.max),
      .count("maxBufferedBytesPerConnection", \.maxBufferedBytesPerConnection, in: 256 << 10...Int.max),
      .count(optional: "maxBufferedBytes", \.maxBufferedBytes, in: 1 << 20...Int.max),
      .count("maxStreamResets", \.maxStreamResets, in: 1...Int.max),
      .count("maxConnections", \.maxConnections, in: 1...Int.max),
      .count("maxConcurrentHandshakes", \.maxConcurrentHandshakes, in: 1...Int.max),
      .count(optional: "eventLoops", \.eventLoops, in: 1...1024),
      .seconds("handshakeTimeout", \.handshakeTimeout),
      .seconds(optional: "maxConnectionAge", \.maxConnectionAge),
      .seconds(optional: "maxConnectionAgeGrace", \.maxConnectionAgeGrace),
      .seconds(optional: "maxConnectionIdle", \.maxConnectionIdle),
      .seconds("drainLimit", \.drainLimit),
      .seconds(optional: "stallThreshold", \.stallThreshold),
      .flag("handlesSignals", \.handlesSignals),
      .text("compression") { $1.compression = try Compression(configured: $0) },
    ]
  }
}

extension Compression {
  /// `identity`, `gzip` or `deflate`.
  init(configured name: String) throws {
    guard let compression = Compression(name: name) else {
      throw ConfigurationError("there is no compression \"\(name)\"; known are identity, gzip, deflate")
    }
    self = compression
  }
}
