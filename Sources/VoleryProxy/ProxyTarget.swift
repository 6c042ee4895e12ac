public import VoleryClient

/// Where a proxy sends calls: a channel's target, with the resolvers, policies and credentials that any channel has.
///
/// One object is one set of connections: routes that share it share them, and so do the routes of `Proxy.update` with those
/// that held before.
public final class ProxyTarget: Sendable {
  /// As a channel's: `dns:///orders:50051`.
  public let target: String
  /// How connections to its servers are protected.
  public let credentials: ChannelCredentials
  /// What its channels are told.
  public let options: ChannelOptions

  /// A target; nothing is looked up or connected before a proxy has it.
  public init(
    _ target: String, credentials: ChannelCredentials = .plaintext, options: ChannelOptions = .ofProxy
  ) {
    self.target = target
    self.credentials = credentials
    self.options = options
  }
}

extension ChannelOptions {
  /// What a proxy's channels have by default: as any channel's, but 10 connections to a server, not 4, where it has as many calls as it
  /// allows on each. The clients of many are open there at once.
  public static var ofProxy: ChannelOptions {
    var options = ChannelOptions()
    options.maxConnectionsPerServer = 10
    return options
  }
}
