import COpenSSL

/// Says in words why OpenSSL ended a session.
struct HandshakeFailure {
  let role: TLSConfiguration.Role
  let options: TLSOptions
  let ownSubject: String?
  let isEstablished: Bool
  /// The first bytes that came from the peer.
  let firstBytes: [UInt8]

  private var peer: String { role == .server ? "the client" : "the server" }

  /// What came is not TLS at all.
  var isOtherProtocol: Bool { !isEstablished && otherProtocol != nil }

  /// - Parameter code: The first error of OpenSSL's queue.
  func description(_ code: UInt) -> String {
    if !isEstablished, let text = otherProtocol { return text }
    let reason = ERR_GET_REASON(code)
    if reason > SSL_AD_REASON_OFFSET, reason <= SSL_AD_REASON_OFFSET + 255 {
      return alert(Int(reason) - Int(SSL_AD_REASON_OFFSET))
    }
    switch reason {
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH:
      return "\(peer) has no version of TLS in common with this side, which has \(versions)"
    case SSL_R_NO_SHARED_CIPHER: return "\(peer) has no cipher in common with this server and its certificate"
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client showed no certificate, and this server takes no calls without one"
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return "a record of \(peer) was damaged on its way"
    case SSL_R_NO_APPLICATION_PROTOCOL: return "\(peer) does not offer the protocol h2 by ALPN"
    default: return "TLS with \(peer) failed: \(OpenSSLErrors.reason(code))"
    }
  }

  private var versions: String {
    options.minimumVersion == options.maximumVersion
      ? "\(options.minimumVersion) only" : "\(options.minimumVersion) to \(options.maximumVersion)"
  }

  /// Bytes that are no TLS at all.
  private var otherProtocol: String? {
    guard let first = firstBytes.first, first != 22, first != 21 else { return nil }
    let text = String(decoding: firstBytes, as: UTF8.self)
    switch role {
    case .server:
      let what =
        text.hasPrefix("PRI ")
        ? "HTTP/2 in plaintext" : text.isHTTP1Request ? "plain HTTP/1" : "something that is not TLS"
      return "the client speaks \(what) to a TLS port"
    case .client:
      let isSettings = firstBytes.count >= 5 && firstBytes[0] == 0 && firstBytes[3] == 4
      let what =
        isSettings ? "HTTP/2 in plaintext" : text.hasPrefix("HTTP") ? "plain HTTP/1" : "something that is not TLS"
      return "the server speaks \(what) on this port, not TLS"
    }
  }

  /// What the peer gave as its reason (RFC 8446, 6).
  private func alert(_ number: Int) -> String {
    let own = ownSubject.map { "this side's certificate (\($0))" } ?? "this side, which has no certificate"
    let reason: String
    switch number {
    case 40: reason = "no parameters in common"
    case 42: reason = "it finds \(own) bad"
    case 43: reason = "it has no use for the kind of \(own)"
    case 44: reason = "\(own) is revoked"
    case 45: reason = "\(own) has expired, or is not valid yet"
    case 46: reason = "it does not accept \(own)"
    case 48: reason = "it does not know who signed \(own)"
    case 49: reason = "it denies access to \(own)"
    case 70: reason = "no version of TLS in common; this side has \(versions)"
    case 71: reason = "no cipher that is secure enough for it"
    case 80: reason = "an internal error"
    case 112: reason = "it does not know the name that was asked for"
    case 116:
      reason =
        ownSubject == nil ? "it takes nobody without a certificate, and this side has none" : "it wants a certificate"
    case 120: reason = "it does not speak h2 by ALPN"
    default: reason = "its alert says \"\(alertName(number))\""
    }
    return "\(peer) refused: \(reason) (TLS alert \(number))"
  }

  private func alertName(_ number: Int) -> String {
    SSL_alert_desc_string_long(Int32(number)).map { String(cString: $0) } ?? "unknown"
  }
}

extension String {
  fileprivate var isHTTP1Request: Bool {
    ["GET ", "POST", "PUT ", "HEAD", "OPTI", "CONN", "DELE", "PATC"].contains { hasPrefix($0) }
  }
}
