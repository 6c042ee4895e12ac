import VoleryProtobuf
package import VoleryTypes
import VoleryWellKnownTypes

/// Which cookie says where a session's calls go (gRFC A55), as an HTTP filter of a listener says, or what stands in its place for a
/// virtual host, a route or a cluster.
package struct SessionSettings: Equatable, Sendable {
  static let type = "envoy.extensions.filters.http.stateful_session.v3.StatefulSession"
  private static let maxPathBytes = 1024

  package let cookie: SessionCookie
  /// Of the calls that it is for; empty: all are.
  package let path: String
  /// How long browsers are to keep it, in seconds; 0: until they are closed.
  package let maxAge: Int64

  /// Nil for a filter without a session state, which does nothing.
  init?(_ wire: WireStatefulSession) throws(XDSResourceError) {
    guard let state = wire.sessionState else { return nil }
    let read = try XDSResourceError.within("session_state.typed_config") { () throws -> SessionSettings in
      guard let config = state.typedConfig else { throw XDSResourceError("type_url", "missing") }
      guard let cookies = try config.unpack(WireCookieBasedSessionState.self) else {
        throw XDSResourceError("type_url", "\(XDSResourceError.quote(config.typeURL)) is not known: cookies are")
      }
      guard let cookie = cookies.cookie else { throw XDSResourceError("cookie", "missing") }
      return try SessionSettings(cookie)
    }
    self = read
  }

  private init(_ wire: WireCookie) throws(XDSResourceError) {
    guard !wire.name.isEmpty else { throw XDSResourceError("cookie.name", "empty") }
    guard let cookie = SessionCookie(name: wire.name) else {
      throw XDSResourceError("cookie.name", "\(XDSResourceError.quote(wire.name)) is not the name of a cookie")
    }
    self.cookie = cookie
    if let ttl = wire.ttl {
      guard ttl.isValid, ttl.seconds >= 0, ttl.nanos >= 0 else {
        throw XDSResourceError("cookie.ttl", "is out of range")
      }
      maxAge = ttl.seconds
    } else {
      maxAge = 0
    }
    // It is written into a header, between semicolons.
    guard wire.path.utf8.count <= SessionSettings.maxPathBytes,
      wire.path.utf8.allSatisfy({ (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: ";") })
    else { throw XDSResourceError("cookie.path", "\(XDSResourceError.quote(wire.path)) is not the path of a cookie") }
    path = wire.path
  }

  /// Whether calls of this method have the cookie (RFC 6265, 5.1.4).
  package func isFor(_ method: String) -> Bool {
    guard !path.isEmpty else { return true }
    guard method.utf8.starts(with: path.utf8) else { return false }
    let rest = method.utf8.dropFirst(path.utf8.count)
    return rest.isEmpty || rest.first == UInt8(ascii: "/") || path.utf8.last == UInt8(ascii: "/")
  }

  /// As `set-cookie` has it.
  func header(_ text: String) -> String {
    var header = "\(cookie.name)=\(SessionCookie.encoded(text)); HttpOnly"
    if !path.isEmpty { header += "; Path=\(path)" }
    if maxAge > 0 { header += "; Max-Age=\(maxAge)" }
    return header
  }
}

/// A filter of a listener that keeps sessions.
package struct SessionFilter: Equatable, Sendable {
  /// By which virtual hosts, routes and clusters name it.
  package let name: String
  /// Nil: it does nothing but where they say so.
  package let settings: SessionSettings?
}
