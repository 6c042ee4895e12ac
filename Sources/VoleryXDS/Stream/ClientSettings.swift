import Logging
import VoleryClient

/// What holds for all streams of a client.
struct ClientSettings: Sendable {
  let bootstrap: XDSBootstrap
  /// For every control plane; nil: as the bootstrap says.
  let override: ChannelCredentials?
  let logger: Logger
  let accounts: ClusterAccounts

  var context: ReadContext { ReadContext(certificateProviders: bootstrap.certificateProviders) }

  func credentials(for server: XDSServer) -> ChannelCredentials { override ?? (server.isSecure ? .tls() : .plaintext) }

  /// Of the clusters that these servers have told of.
  func reporter(_ servers: [XDSServer]) -> LoadReporter {
    LoadReporter(node: bootstrap.node, accounts: accounts) { [bootstrap] key in
      bootstrap.servers(for: key.cluster) == servers
    }
  }
}
