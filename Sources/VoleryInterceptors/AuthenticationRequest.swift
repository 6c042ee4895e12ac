public import VoleryTypes

/// What there is to know a caller by: what `Authentication` hands to its closure.
public struct AuthenticationRequest: Sendable {
  /// The method that is called.
  public let method: MethodDescriptor
  /// What the client has sent.
  public let metadata: Metadata
  /// The client: its address, and what TLS says of it.
  public let peer: Peer
  /// Who the client's certificate says that it is; nil without mutual TLS.
  public var identity: PeerIdentity? { peer.identity }

  /// The token of the one `authorization: Bearer ...` (RFC 6750, 2.1); nil where there is none, or more than one.
  public var bearerToken: String? {
    let values = metadata.values("authorization")
    guard values.count == 1, values[0].prefix(7).lowercased() == "bearer " else { return nil }
    let token = values[0].dropFirst(7).drop { $0 == " " }
    return token.isEmpty ? nil : String(token)
  }
}
