import COpenSSL
package import VoleryPrimitives

/// Certificates, keys and settings, read and checked: what the sessions of one side are made from. Immutable; a change of a
/// file makes a new one. Any thread.
package final class TLSContext: @unchecked Sendable {  // Isolation: constant
  package let configuration: TLSConfiguration
  let handle: OpaquePointer
  /// The subject of this side's own certificate, for error messages.
  let ownSubject: String?
  /// A client's sessions that may be resumed.
  let sessions = SessionCache()

  // Forward secrecy and authenticated encryption only; nothing that RFC 9113 forbids. AES-128 first: it is the fastest.
  private static let ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
  private static let suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
  private static let groups = "X25519:P-256:P-384"
  /// How long a session may be resumed, in seconds.
  private static let sessionLifetime = 7200

  /// Whether OpenSSL is set up without its exit handler, which frees what the event loops' threads still use while the process
  /// ends. In use from the first context on; nothing changes where the program has set up OpenSSL before.
  package static let skipsExitHandler = ProcessSetting(true)

  private static let isLibraryReady: Bool = {
    let options = skipsExitHandler.use() ? UInt64(OPENSSL_INIT_NO_ATEXIT) : 0
    return OPENSSL_init_ssl(options, nil) == 1
  }()

  /// Reads every file.
  ///
  /// - Throws: What is wrong with which source.
  package init(_ configuration: TLSConfiguration) throws(TLSError) {
    _ = TLSContext.isLibraryReady
    let method = configuration.role == .server ? TLS_server_method() : TLS_client_method()
    guard let handle = SSL_CTX_new(method) else { throw OpenSSLErrors.take("TLS can't be set up") }
    let subject: String?
    do throws(TLSError) {
      try TLSContext.setUp(handle, configuration.options)
      subject = try configuration.keyPair.map { (pair) throws(TLSError) in try TLSContext.use(pair, handle) }
      try TLSContext.trust(configuration, handle)
    } catch {
      SSL_CTX_free(handle)
      throw error
    }
    // Only now: once every property has a value, an init that throws runs deinit, which frees the handle too.
    self.configuration = configuration
    self.handle = handle
    ownSubject = subject
    TLSSession.installCallbacks(handle, configuration)
  }

  deinit {
    sessions.removeAll()
    SSL_CTX_free(handle)
  }

  // MARK: Settings

  private static func setUp(_ handle: OpaquePointer, _ options: TLSOptions) throws(TLSError) {
    guard options.minimumVersion <= options.maximumVersion else {
      throw TLSError("no version of TLS is left between \(options.minimumVersion) and \(options.maximumVersion)")
    }
    SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(options.minimumVersion.rawValue), nil)
    SSL_CTX_ctrl(handle, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(options.maximumVersion.rawValue), nil)
    SSL_CTX_set_options(
      handle,
      volery_SSL_OP_NO_RENEGOTIATION | volery_SSL_OP_NO_COMPRESSION | volery_SSL_OP_CIPHER_SERVER_PREFERENCE
        | volery_SSL_OP_PRIORITIZE_CHACHA)
    SSL_CTX_ctrl(handle, SSL_CTRL_MODE, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN), nil)
    SSL_CTX_set_security_level(handle, 2)
    SSL_CTX_set_cipher_list(handle, ciphers)
    SSL_CTX_set_ciphersuites(handle, suites)
    _ = groups.withCString {
      SSL_CTX_ctrl(handle, SSL_CTRL_SET_GROUPS_LIST, 0, UnsafeMutableRawPointer(mutating: $0))
    }
    // A peer with an endless chain is stopped by OpenSSL's own limit, 100 KiB.
    setUpResumption(handle, isOn: options.resumesSessions)
    ERR_clear_error()
  }

  private static func setUpResumption(_ handle: OpaquePointer, isOn: Bool) {
    guard isOn else {
      SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
      SSL_CTX_set_num_tickets(handle, 0)
      return
    }
    // A server keeps nothing (tickets), a client what `SessionCache` keeps.
    let mode = SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
    SSL_CTX_ctrl(handle, SSL_CTRL_SET_SESS_CACHE_MODE, Int(mode), nil)
    SSL_CTX_set_timeout(handle, sessionLifetime)
    SSL_CTX_set_session_id_context(handle, Array("volery".utf8), 6)
  }

  // MARK: Certificates

  /// Returns the certificate's subject.
  private static func use(_ pair: TLSKeyPair, _ handle: OpaquePointer) throws(TLSError) -> String {
    let chain = try CertificateReader(source: pair.certificate, role: "certificate").read()
    let key = try PrivateKeyReader(source: pair.key, password: pair.password).read()
    ERR_clear_error()
    guard X509_check_private_key(chain[0].x509, key.key) == 1 else {
      ERR_clear_error()
      throw TLSError(
        "the private key \(pair.key) does not belong to the certificate \(pair.certificate) (\(chain[0].subject))")
    }
    guard SSL_CTX_use_certificate(handle, chain[0].x509) == 1, SSL_CTX_use_PrivateKey(handle, key.key) == 1 else {
      throw OpenSSLErrors.take("the certificate \(pair.certificate) (\(chain[0].subject)) can't be used")
    }
    for certificate in chain.dropFirst() {
      guard SSL_CTX_ctrl(handle, SSL_CTRL_CHAIN_CERT, 1, UnsafeMutableRawPointer(certificate.x509)) == 1 else {
        throw OpenSSLErrors.take("the certificate \(certificate.subject) of \(pair.certificate) can't be used")
      }
    }
    return chain[0].subject
  }

  /// The most names of roots that a server tells its clients.
  private static let toldRoots = 100

  private static func trust(_ configuration: TLSConfiguration, _ handle: OpaquePointer) throws(TLSError) {
    let peer = configuration.peer
    guard peer.demand != .notAsked else { return }
    if peer.roots.usesSystem, SSL_CTX_set_default_verify_paths(handle) != 1 {
      throw OpenSSLErrors.take("the system's roots can't be read")
    }
    let store = SSL_CTX_get_cert_store(handle)
    X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
    var told = 0
    for source in peer.roots.sources {
      for root in try CertificateReader(source: source, role: "roots").read() {
        guard X509_STORE_add_cert(store, root.x509) == 1 else {
          throw OpenSSLErrors.take("the root \(root.subject) of \(source) can't be used")
        }
        if configuration.role == .server, told < toldRoots { told += Int(SSL_CTX_add_client_CA(handle, root.x509)) }
      }
    }
    ERR_clear_error()
  }
}
