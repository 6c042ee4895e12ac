import COpenSSL
package import VoleryPlatform

/// One end of a TLS connection without any I/O: bytes of the wire in -> plain bytes out, plain bytes in -> bytes for the
/// wire. Not thread-safe: it belongs to its connection's loop.
///
///     handshaking --handshake done--> established --close_notify--> ended
///          +---------- failed ------------+-> failed
package final class TLSSession {  // Isolation: loop
  private enum Phase { case handshaking, established, ended, failed }

  package let context: TLSContext
  /// Nil until the handshake is over.
  @exclusivity(unchecked) package private(set) var peer: TLSPeerInformation?
  @exclusivity(unchecked) private var phase = Phase.handshaking
  private let ssl: OpaquePointer
  private let buffers: UnsafeMutablePointer<WireBuffers>
  /// What the peer's certificate has to be for; nil on a server.
  let serverName: String?
  private let sessionKey: String?
  /// What a callback found wrong: it knows more than OpenSSL's error does.
  var refusal: String?
  @exclusivity(unchecked) private var firstBytes: [UInt8] = []
  private var lender: LentBuffer?
  @exclusivity(unchecked) private var bytesOfKeys = 0

  /// Answers to handshake messages that may wait until the peer reads: more is an attack.
  private static let maxWaitingOutput = 256 << 10
  /// New keys are made after so many bytes, far below what AES-GCM allows (RFC 8446, 5.5).
  private static let bytesPerKeys = 64 << 30

  /// - Parameters:
  ///   - serverName: The server's host name or IP address, on a client: told to the server (SNI), and checked.
  ///   - sessionKey: Names the server for resumption; nil: no session is resumed.
  package init(_ context: TLSContext, serverName: String? = nil, sessionKey: String? = nil) throws(TLSError) {
    guard let ssl = SSL_new(context.handle) else { throw OpenSSLErrors.take("TLS can't be set up") }
    self.context = context
    self.ssl = ssl
    self.serverName = serverName
    self.sessionKey = context.configuration.options.resumesSessions ? sessionKey : nil
    buffers = .allocate(capacity: 1)
    buffers.initialize(to: WireBuffers())
    let bio = WireBuffers.makeBIO(buffers)
    SSL_set_bio(ssl, bio, bio)
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    switch context.configuration.role {
    case .server: SSL_set_accept_state(ssl)
    case .client:
      SSL_set_connect_state(ssl)
      try prepareClient()
      try shakeHands()
    }
  }

  deinit {
    // Without it OpenSSL forgets the session of a connection that was lost, which may well be resumed.
    if phase != .failed { SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
    SSL_free(ssl)
    buffers.pointee.free()
    buffers.deallocate()
  }

  private func prepareClient() throws(TLSError) {
    let name = context.configuration.applicationProtocol
    let protocols = [UInt8(name.utf8.count)] + Array(name.utf8)
    SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count))
    if let serverName { try setServerName(serverName) }
    if let sessionKey, let session = context.sessions.take(for: sessionKey) {
      SSL_set_session(ssl, session)
      SSL_SESSION_free(session)
    }
    ERR_clear_error()
  }

  private func setServerName(_ name: String) throws(TLSError) {
    let parameters = SSL_get0_param(ssl)
    let isChecked = context.configuration.peer.verification == .full
    // An IP address is not told as a server's name (RFC 6066, 3).
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 {
      if !isChecked { X509_VERIFY_PARAM_set1_ip(parameters, nil, 0) }
      return
    }
    guard !name.isEmpty, name.utf8.count <= Int(TLSEXT_MAXLEN_host_name) else {
      throw TLSError("\"\(name)\" is not a name that a server's certificate could be for")
    }
    _ = name.withCString {
      SSL_ctrl(
        ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), UnsafeMutableRawPointer(mutating: $0))
    }
    guard isChecked else { return }
    X509_VERIFY_PARAM_set_hostflags(
      parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
    X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count)
  }

  // MARK: State

  /// Whether plain bytes may flow.
  package var isEstablished: Bool { phase == .established }

  /// The peer has said that it sends no more (close_notify).
  package var hasReceivedClose: Bool { phase == .ended }

  /// Whether the peer's certificate is for this name too; always, where names are not checked.
  package func peerHasName(_ name: String) -> Bool {
    guard context.configuration.peer.verification == .full else { return true }
    guard let certificate = SSL_get0_peer_certificate(ssl) else { return false }
    if X509_check_ip_asc(certificate, name, 0) == 1 { return true }
    let flags = UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
    return X509_check_host(certificate, name, name.utf8.count, flags, nil) == 1
  }

  /// The certificate of this end, in DER; nil where it has none.
  package var localCertificate: [UInt8]? { SSL_get_certificate(ssl).map(TLSPeerCertificate.der) }

  // MARK: Bytes

  /// Takes bytes from the wire, all of them; `output` gets plain bytes, which are valid during its call. Throws when the
  /// session can't go on: `takeOutgoing` may have an alert for the peer.
  package func receive(
    _ bytes: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) -> Void
  ) throws(TLSError) {
    guard phase != .failed, phase != .ended else { return }
    if firstBytes.count < 5 { firstBytes += bytes.prefix(5 - firstBytes.count) }
    buffers.pointee.input = bytes.baseAddress
    buffers.pointee.inputCount = bytes.count
    defer {
      buffers.pointee.input = nil
      buffers.pointee.inputCount = 0
    }
    if phase == .handshaking { try shakeHands() }
    if phase == .established { try readRecords(output) }
    guard buffers.pointee.outputCount - buffers.pointee.volunteeredCount <= TLSSession.maxWaitingOutput else {
      throw fail("the peer makes this side answer and does not read the answers")
    }
  }

  private func readRecords(_ output: (UnsafeRawBufferPointer) -> Void) throws(TLSError) {
    let count = RecordFilling.recordByteCount
    let result = withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { record -> Int32 in
      while true {
        ERR_clear_error()
        let count = SSL_read(ssl, record.baseAddress, Int32(count))
        guard count > 0 else { return SSL_get_error(ssl, count) }
        output(UnsafeRawBufferPointer(start: record.baseAddress, count: Int(count)))
      }
    }
    switch result {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
    case SSL_ERROR_ZERO_RETURN: phase = .ended
    default: throw fail()
    }
  }

  /// Takes plain bytes that have to go out.
  package func send(_ bytes: UnsafeRawBufferPointer) throws(TLSError) {
    guard phase == .established, !bytes.isEmpty else { return }
    bytesOfKeys += bytes.count
    if bytesOfKeys > TLSSession.bytesPerKeys { renewKeys() }
    ERR_clear_error()
    let waiting = buffers.pointee.outputCount
    let count = SSL_write(ssl, bytes.baseAddress, Int32(bytes.count))
    if count != Int32(bytes.count) { throw fail() }
    buffers.pointee.volunteered(since: waiting)
  }

  /// The same for bytes that are in several pieces: records are filled across them.
  package func send(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) throws(TLSError) {
    var failure: TLSError?
    RecordFilling.fill(from: pieces) { bytes in
      do throws(TLSError) { try send(bytes) } catch { failure = error }
      return failure == nil
    }
    if let failure { throw failure }
  }

  private func renewKeys() {
    bytesOfKeys = 0
    if SSL_version(ssl) >= TLS1_3_VERSION { SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) }
  }

  /// Whether something has to go to the wire.
  package var hasOutgoing: Bool { buffers.pointee.outputCount > 0 }

  /// Gives what has to go to the wire, in one buffer that is valid during the call; does not call where there is nothing.
  package func takeOutgoing(_ body: (UnsafeRawBufferPointer) -> Void) {
    giveOutgoing {
      body($0)
      return $0.count
    }
  }

  /// The same where not all of it may be taken: `body` returns how much is, and the rest waits here.
  package func giveOutgoing(_ body: (UnsafeRawBufferPointer) -> Int) { buffers.pointee.give(body) }

  /// Has buffers for what has to go to the wire from there: those of the loop on which all is done from now on.
  package func borrows(from lender: LentBuffer) {
    self.lender = lender
    buffers.pointee.lender = Unmanaged.passUnretained(lender)
  }

  /// Says goodbye; `takeOutgoing` has it.
  package func close() {
    guard phase == .established || phase == .ended else { return }
    phase = .ended
    ERR_clear_error()
    SSL_shutdown(ssl)
  }

  /// What it means that the peer's bytes have ended now.
  package var endReason: String {
    let peer = context.configuration.role == .server ? "the client" : "the server"
    switch phase {
    case .handshaking:
      let progress = firstBytes.isEmpty ? "before the TLS handshake" : "within the TLS handshake"
      return "\(peer) closed the connection \(progress)"
    case .established: return "\(peer) closed the connection without the close_notify of TLS: something may be missing"
    case .ended, .failed: return "the peer closed the connection"
    }
  }

  // MARK: Handshake

  private func shakeHands() throws(TLSError) {
    ERR_clear_error()
    let result = SSL_do_handshake(ssl)
    guard result == 1 else {
      switch SSL_get_error(ssl, result) {
      case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return
      default: throw fail()
      }
    }
    try handshakeDone()
  }

  private func handshakeDone() throws(TLSError) {
    let expected = context.configuration.applicationProtocol
    let chosen = chosenProtocol
    guard chosen == expected else {
      let what = chosen.map { "chose \"\($0)\"" } ?? "chose nothing"
      throw fail("the server does not speak \(expected) by ALPN: it \(what)")
    }
    let certificate = SSL_get0_peer_certificate(ssl).map { TLSPeerCertificate($0) }
    let isResumed = SSL_session_reused(ssl) == 1
    // A full handshake has asked already.
    if isResumed, let certificate, let accept = context.configuration.peer.isAccepted {
      do { try accept(certificate) } catch {
        throw fail(verificationFailure.description(certificate, refusal: "\(error)"))
      }
    }
    let cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)).map { String(cString: $0) } ?? ""
    peer = TLSPeerInformation(
      version: TLSVersion(rawValue: UInt16(truncatingIfNeeded: SSL_version(ssl))), cipher: cipher, isResumed: isResumed,
      certificate: certificate, isVerified: context.configuration.peer.verification != .none && certificate != nil)
    phase = .established
  }

  private var chosenProtocol: String? {
    var start: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &start, &count)
    guard let start, count > 0 else { return nil }
    return String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
  }

  var verificationFailure: VerificationFailure {
    VerificationFailure(role: context.configuration.role, serverName: serverName)
  }

  /// Ends the session with what OpenSSL, or a callback of this session, has said.
  private func fail() -> TLSError {
    let failure = HandshakeFailure(
      role: context.configuration.role, options: context.configuration.options, ownSubject: context.ownSubject,
      isEstablished: phase == .established, firstBytes: firstBytes)
    let code = ERR_peek_error()
    ERR_clear_error()
    if failure.isOtherProtocol, context.configuration.role == .server {
      buffers.pointee.write(TLSSession.plaintextAlert)
    }
    return fail(refusal ?? failure.description(code))
  }

  /// A fatal unexpected_message, which OpenSSL does not send to who speaks no TLS: their error then says what this port is.
  private static let plaintextAlert: [UInt8] = [21, 3, 1, 0, 2, 2, 10]

  private func fail(_ text: String) -> TLSError {
    phase = .failed
    return TLSError(text)
  }
}

extension TLSSession {
  /// A session that came from the server's side; true: the cache keeps the reference.
  func keep(_ session: OpaquePointer) -> Bool {
    guard let sessionKey, SSL_SESSION_is_resumable(session) == 1 else { return false }
    context.sessions.add(session, for: sessionKey)
    return true
  }
}
