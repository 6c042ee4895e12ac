import COpenSSL
import VoleryPrimitives

/// What OpenSSL asks during a handshake; each question goes to its session.
extension TLSSession {
  static func of(_ ssl: OpaquePointer?) -> TLSSession {
    Unmanaged<TLSSession>.fromOpaque(SSL_get_ex_data(ssl, 0)).takeUnretainedValue()
  }

  static func installCallbacks(_ handle: OpaquePointer, _ configuration: TLSConfiguration) {
    SSL_CTX_set_verify(handle, verifyMode(configuration.peer.demand), nil)
    SSL_CTX_set_cert_verify_callback(
      handle,
      { store, _ in
        guard let store else { return 0 }
        let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())
        return TLSSession.of(OpaquePointer(ssl)).verify(store) ? 1 : 0
      }, nil)
    switch configuration.role {
    case .server: installServerCallbacks(handle)
    case .client:
      SSL_CTX_sess_set_new_cb(handle) { ssl, session in
        guard let session else { return 0 }
        return TLSSession.of(ssl).keep(session) ? 1 : 0
      }
    }
  }

  private static func installServerCallbacks(_ handle: OpaquePointer) {
    SSL_CTX_set_client_hello_cb(
      handle,
      { ssl, alert, _ in
        guard TLSSession.of(ssl).clientHelloReceived(ssl) else {
          alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
          return SSL_CLIENT_HELLO_ERROR
        }
        return SSL_CLIENT_HELLO_SUCCESS
      }, nil)
    SSL_CTX_set_alpn_select_cb(
      handle,
      { ssl, chosen, chosenCount, offered, offeredCount, _ in
        let offer = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
        guard let place = TLSSession.of(ssl).choose(from: offer) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        chosen?.pointee = offered! + place.lowerBound
        chosenCount?.pointee = UInt8(place.count)
        return SSL_TLSEXT_ERR_OK
      }, nil)
  }

  private static func verifyMode(_ demand: TLSConfiguration.PeerCheck.Demand) -> Int32 {
    switch demand {
    case .notAsked: SSL_VERIFY_NONE
    case .optional: SSL_VERIFY_PEER
    case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    }
  }

  /// Checks the peer's chain, then asks the program's own closure.
  private func verify(_ store: OpaquePointer) -> Bool {
    let check = context.configuration.peer
    if check.verification != .none, X509_verify_cert(store) != 1 {
      refusal = verificationFailure.description(store)
      return false
    }
    guard let isAccepted = check.isAccepted, let leaf = X509_STORE_CTX_get0_cert(store) else {
      X509_STORE_CTX_set_error(store, X509_V_OK)
      return true
    }
    let certificate = TLSPeerCertificate(leaf)
    do {
      try isAccepted(certificate)
      X509_STORE_CTX_set_error(store, X509_V_OK)
      return true
    } catch {
      refusal = verificationFailure.description(certificate, refusal: String(line: "\(error)", limit: 500))
      X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
      return false
    }
  }

  /// A client without ALPN is refused with an alert that says so.
  private func clientHelloReceived(_ ssl: OpaquePointer?) -> Bool {
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    let type = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
    guard SSL_client_hello_get0_ext(ssl, type, &bytes, &count) != 1 else { return true }
    refusal = "the client offers no protocol by ALPN; this server speaks \(context.configuration.applicationProtocol)"
    return false
  }

  /// The place of our protocol in a client's list (RFC 7301, 3.1).
  private func choose(from offer: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
    let wanted = context.configuration.applicationProtocol
    var offered: [String] = []
    var index = 0
    while index < offer.count {
      let end = index + 1 + Int(offer[index])
      guard end <= offer.count else { break }
      if offer[(index + 1)..<end].elementsEqual(wanted.utf8) { return (index + 1)..<end }
      if offered.count < 8 {
        offered.append(String(foreign: String(decoding: offer[(index + 1)..<end], as: UTF8.self), limit: 40))
      }
      index = end
    }
    let list = offered.map { "\"\($0)\"" }.joined(separator: ", ")
    refusal = "the client offers the protocols \(list) by ALPN; this server speaks \(wanted)"
    return nil
  }
}
