import Synchronization
public import VoleryClient
import VoleryTypes

/// For programs that make calls for others, who have their sessions in a cookie (gRFC A55): a browser behind a gateway, say. The
/// gateway gives the call the `cookie` that has come to it, and sends on the `set-cookie` that the response has where the server is
/// another one than the cookie says, or the first. The channel's policy has to be `sticky_session`, with a cookie of the same name.
///
///     options.interceptors = [SessionCookies(cookie: "session", maxAge: .seconds(3600))]
///     let response = try await cart.addResponse(to: request, options: CallOptions(metadata: ["cookie": cookie]))
///     let answer = response.initialMetadata["set-cookie"]
///
/// The cookie says the server's address, in base64: who must not learn it must not see the cookie. The `set-cookie` is there as soon as
/// the server's initial metadata are, also of a stream; of an answer that is nothing but a status it stands in the trailing metadata.
public struct SessionCookies: ClientInterceptor {
  private let cookie: SessionCookie
  private let attributes: String

  /// - Parameters:
  ///   - cookie: The cookie's name, as the policy has it.
  ///   - path: The cookie's `Path`.
  ///   - maxAge: How long a browser keeps it (`Max-Age`, whole seconds); nil: until it is closed.
  /// - Precondition: The name is a cookie's: letters, digits and ``!#$%&'*+-.^_`|~``, 128 bytes at most.
  public init(cookie: String = "session", path: String = "/", maxAge: Duration? = nil) {
    guard let cookie = SessionCookie(name: cookie) else { preconditionFailure("\(cookie) is not a cookie's name") }
    self.cookie = cookie
    attributes = "; Path=\(path)" + (maxAge.map { "; Max-Age=\($0.components.seconds)" } ?? "") + "; HttpOnly"
  }

  /// What the interceptor does with a call; the channel calls it.
  public func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
    let sent = cookie.value(in: call.metadata)
    let answer = Answer()
    call.onInitialMetadata { metadata, peer in
      answer.hasBegun.store(true, ordering: .relaxed)
      tell(of: peer, sent, &metadata)
    }
    do { try await next() } catch let error as StatusError {
      if error.origin == .peer { tell(call, sent, answer) }
      throw error
    }
    tell(call, sent, answer)
  }

  private final class Answer: Sendable { let hasBegun = Atomic(false) }

  /// The call is over: an answer that was nothing but a status says it there.
  private func tell(_ call: ClientInvocation, _ sent: String?, _ answer: Answer) {
    guard !answer.hasBegun.load(ordering: .relaxed), let peer = call.peer,
      sent != SessionCookie.value(for: peer.address)
    else { return }
    var trailing = call.trailingMetadata
    tell(of: peer, sent, &trailing)
    call.trailingMetadata = trailing
  }

  private func tell(of peer: Peer, _ sent: String?, _ metadata: inout Metadata) {
    let answered = SessionCookie.value(for: peer.address)
    if sent != answered { metadata.append("\(cookie.name)=\(answered)\(attributes)", for: "set-cookie") }
  }
}
