/// Says who makes a call, as metadata that is sent with it: a token, as a rule. On a channel
/// (`ChannelCredentials.with`) for all calls, or in `CallOptions.credentials` for one.
///
/// `metadata(for:)` is called for every attempt of every call, from any task and at the same time; keep what is costly to get.
/// It may suspend, and the call's deadline runs on meanwhile. A `StatusError` that it throws is how the call ends; anything
/// else ends it with UNAUTHENTICATED and the error's text.
///
/// What it gives goes only to servers behind TLS, and to those on this machine (unix sockets, in-process): on any other
/// connection the call fails with UNAUTHENTICATED instead.
///
///     struct APIKey: CallCredentials {
///       func metadata(for call: CallCredentialsRequest) async throws -> Metadata { ["x-api-key": key] }
///     }
public protocol CallCredentials: Sendable {
  /// What is sent with this attempt, beside the call's own metadata; may suspend.
  func metadata(for call: CallCredentialsRequest) async throws -> Metadata
}

/// The call that credentials are wanted for.
public struct CallCredentialsRequest: Sendable {
  /// The method that is called, as its generated code describes it.
  public let method: MethodDescriptor
  /// The server's name, as the call says it.
  public let authority: String
  /// The server that this attempt goes to, its connection made and, with TLS, its certificate checked.
  public let peer: Peer

  package init(method: MethodDescriptor, authority: String, peer: Peer) {
    self.method = method
    self.authority = authority
    self.peer = peer
  }

  /// `https://authority/package.Service`: what a signed token names as its audience.
  public var audience: String {
    let service = method.path.dropFirst().prefix { $0 != "/" }
    let host = authority.hasSuffix(":443") ? String(authority.dropLast(4)) : authority
    return "https://\(host)/\(service)"
  }
}
