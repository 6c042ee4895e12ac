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
    _ target: String, credentials: ChannelCredentials = .plaintext, options: ChannelOptions = ChannelOptions()
  ) {
    self.target = target
    self.credentials = credentials
    self.options = options
  }
}
