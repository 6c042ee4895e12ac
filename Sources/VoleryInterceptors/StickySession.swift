import Synchronization
public import VoleryClient
import VoleryTypes

/// Calls that belong together go to one server, as long as it is there: to the one that has answered the first of them. The channel's
/// policy has to be `sticky_session`, with a cookie of the same name:
///
///     options.serviceConfig = try ServiceConfig(
///       json: #"{"loadBalancingConfig": [{"sticky_session": {"cookie": "session"}}]}"#)
///     let session = StickySession(cookie: "session")
///     let cart = CartClient(channel, interceptors: [session])
///
/// A session is one object; whoever makes another one begins another session. Calls that run before one was answered go each where it
/// comes, and the first that has ended with OK says which server it is. When that server is gone, ejected or not ready, a call goes to
/// another one, which has the session from then on. A stream says so when it is over.
///
/// Where the channel's control plane keeps sessions (VoleryXDS), the cookie's name is the one that it says, and the session has what the
/// answers set.
///
/// A call that has the cookie in its own metadata goes by that one.
public final class StickySession: ClientInterceptor {
  private let cookie: SessionCookie
  /// The cookie's value; nil until a call was answered.
  private let server = Mutex<String?>(nil)

  /// A session that has no server yet.
  ///
  /// - Parameter cookie: The cookie's name, as the policy has it.
  /// - Precondition: The name is a cookie's: letters, digits and ``!#$%&'*+-.^_`|~``, 128 bytes at most.
  public init(cookie: String = "session") {
    guard let cookie = SessionCookie(name: cookie) else { preconditionFailure("\(cookie) is not a cookie's name") }
    self.cookie = cookie
  }

  /// What the interceptor does with a call; the channel calls it.
  public func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    guard cookie.value(in: call.metadata) == nil else { return try await next() }
    let sent = server.withLock { $0 }
    if let sent { call.metadata.append("\(cookie.name)=\(sent)", for: "cookie") }
    try await next()
    guard let answered = value(after: call, sent) else { return }
    // Of calls that were made at the same time the first one counts.
    server.withLock { if $0 == sent { $0 = answered } }
  }

  /// What the next call says; nil: nobody has answered.
  private func value(after call: ClientInvocation, _ sent: String?) -> String? {
    if let set = cookie.value(setIn: call.initialMetadata) ?? cookie.value(setIn: call.trailingMetadata) { return set }
    guard let peer = call.peer else { return nil }
    if let sent, SessionCookie.isValue(sent, of: peer.address) { return sent }
    return SessionCookie.value(for: peer.address)
  }
}
