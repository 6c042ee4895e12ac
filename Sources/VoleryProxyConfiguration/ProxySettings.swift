package import VoleryClient
package import VoleryEventLoops
package import VoleryProxy
package import VoleryServer

/// What a proxy is told by its file, the environment and the command line: a value, checked as a whole when it is made.
///
/// More than 15 stored properties: one for each thing that the file can say.
package struct ProxySettings: Sendable {
  package var listen: [ListenAddress] = []
  /// Where metrics are told. Nil: nowhere, and none are counted.
  package var metrics: SocketDestination?
  package var targets: [String: TargetSettings] = [:]
  package var routes: [RouteSettings] = []
  package var server = ServerOptions()
  package var serverTLS: TLSSettings?
  package var name: String?
  package var maxHops: Int?
  package var loops: Int?
  package var authority: ProxyAuthority?
  package var accessLog = AccessLog.none
  package var identityHeader: String? = ProxyOptions().identityHeader
  /// Who knows the targets' names.
  var resolvers = ChannelOptions().resolvers
  /// Names of targets that have a fault of their own: a route to one is none more.
  var unreadable: Set<String> = []
  /// What a running proxy can't change, as text: what differs needs a new start.
  var fixed: [String: [String]] = [:]
  /// Where the same keys stand; the whole, where they don't.
  var places: [String: SettingPlace] = [:]

  package enum AccessLog: String, CaseIterable, Sendable { case none, compact, full }
}

/// TLS of one side: files of PEM or DER.
package struct TLSSettings: Hashable, Sendable {
  package var certificate: String?
  package var key: String?
  /// Towards clients: who may have signed theirs; towards servers: who may have signed theirs. Nil: nobody is asked; the system's.
  package var roots: String?
  package var serverName: String?
  /// Clients may do without a certificate.
  package var isOptional = false
}

/// One target: equal where connections to it can be kept.
package struct TargetSettings: Hashable, Sendable {
  package var target: String
  package var tls: TLSSettings?
  /// The key that says it, and where it stands.
  var placeOfTLS: Located<String>?
  /// What stands in the section `channel`, by folded key.
  var channelTexts: [String: String] = [:]
  /// Made of that.
  package var channel = ChannelOptions.ofProxy

  package static func == (left: TargetSettings, right: TargetSettings) -> Bool {
    left.target == right.target && left.tls == right.tls && left.channelTexts == right.channelTexts
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(target)
    hasher.combine(tls)
    hasher.combine(channelTexts)
  }
}

/// One route.
package struct RouteSettings: Hashable, Sendable {
  package var service: String?
  package var pathPrefix: String?
  package var headers: [ProxyHeaderMatch] = []
  package var destinations: [Destination] = []
  package var authority: ProxyAuthority?
  package var maxTimeout: Duration?

  package struct Destination: Hashable, Sendable {
    package let target: String
    package let weight: Int

    package init(target: String, weight: Int) {
      self.target = target
      self.weight = weight
    }
  }
}
