/// A control plane that may be asked.
public struct XDSServer: Hashable, Sendable {
  /// As a channel's target: `traffic-director:443`.
  public var uri: String
  /// The first of its `channel_creds` that is known: `tls` for TLS with the system's roots, `insecure` for plaintext.
  public var isSecure: Bool
  /// What it can do and how it wants to be treated, such as `ignore_resource_deletion` (gRFC A53).
  public var features: Set<String>

  /// - Parameters:
  ///   - uri: As a channel's target.
  ///   - isSecure: Whether it is asked over TLS.
  ///   - features: `server_features`; none by default.
  public init(_ uri: String, isSecure: Bool, features: Set<String> = []) {
    self.uri = uri
    self.isSecure = isSecure
    self.features = features
  }
}

/// Whose names begin with `xdstp://NAME/` (gRFC A47).
public struct XDSAuthority: Hashable, Sendable {
  /// Those that know its names, the first that answers; empty: the bootstrap's.
  public var servers: [XDSServer]
  /// What a target's name becomes as a listener's; `%s` is the name, percent-encoded. Nil: `xdstp://NAME/envoy.config.listener.v3.Listener/%s`.
  public var listenerTemplate: String?

  /// - Parameters:
  ///   - servers: Those that know its names; empty, the default: the bootstrap's.
  ///   - listenerTemplate: Of the names of listeners; nil, the default: as the gRFC has it.
  public init(servers: [XDSServer] = [], listenerTemplate: String? = nil) {
    self.servers = servers
    self.listenerTemplate = listenerTemplate
  }
}

/// Files with certificates (gRFC A29, the plugin `file_watcher`), which control planes name for clusters. They are watched, and what
/// replaces them holds for new connections.
public struct XDSCertificateProvider: Hashable, Sendable {
  /// The client's own certificate with those that it needs to be trusted, PEM; nil: it has none.
  public var certificateFile: String?
  /// Its key, PEM.
  public var privateKeyFile: String?
  /// Who may have signed servers' certificates, PEM; nil: it knows of nobody.
  public var rootsFile: String?

  /// - Parameters:
  ///   - certificateFile: `certificate_file`.
  ///   - privateKeyFile: `private_key_file`.
  ///   - rootsFile: `ca_certificate_file`.
  public init(certificateFile: String? = nil, privateKeyFile: String? = nil, rootsFile: String? = nil) {
    self.certificateFile = certificateFile
    self.privateKeyFile = privateKeyFile
    self.rootsFile = rootsFile
  }
}
