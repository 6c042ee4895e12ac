public import VoleryClient
public import VoleryServer

/// What a proxy may be told. The defaults are right for one in front of a headless service.
public struct ProxyOptions: Sendable {
  /// Towards clients. Limits of messages mean nothing here: a proxy looks at none.
  public var server = ServerOptions()
  /// Towards servers, where the proxy was given a target by its name: the same resolvers and policies as any channel's.
  public var channel = ChannelOptions.ofProxy
  /// How clients' connections are protected. Plaintext.
  public var serverCredentials = ServerCredentials.plaintext
  /// How connections to servers are protected, where the proxy was given a target by its name. Plaintext.
  public var channelCredentials = ChannelCredentials.plaintext
  /// What this proxy adds to `x-proxied-by`.
  public var name = "volery-proxy"
  /// A call that has come through so many proxies is refused with INTERNAL: its target leads back to where it came from. 8.
  public var maxHops = 8
  /// Whether servers get the client's `:authority`, or the target's. Nil, the default: the client's on plaintext connections;
  /// on TLS the target's, which is what the server's certificate is for.
  public var keepsAuthority: Bool?
  /// The key of metadata in which servers are told who the client is: the SPIFFE ID of the certificate that it has shown in mutual
  /// TLS (`PeerIdentity.spiffeID`). What clients send under this key ends here, so none can claim to be another one; a client
  /// without such a certificate has no such metadata. Nil: nothing is told, and nothing taken out, as behind another proxy that
  /// has done it. `x-spiffe-id`.
  public var identityHeader: String? = "x-spiffe-id"

  /// How many of the process's event loops the proxy uses, of which there is one for each core; nil: all of them.
  public var eventLoops: Int?
  /// Which lines are written for calls. None.
  public var accessLog = ProxyAccessLog.none

  /// The defaults.
  public init() {}
}
