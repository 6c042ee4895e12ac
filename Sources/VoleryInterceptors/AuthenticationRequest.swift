public import VoleryTypes

/// What there is to know a caller by: what `Authentication` hands to its closure.
public struct AuthenticationRequest: Sendable {
  public let method: MethodDescriptor
  public let metadata: Metadata
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
