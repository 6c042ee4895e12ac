/// Where certificates or a private key come from: a file, or bytes of the program's own; PEM or DER, which is found out by
/// looking.
///
/// Files are watched: what replaces them is used for new connections (`TLSOptions.reloadInterval`).
public struct TLSSource: Hashable, Sendable {
  enum Place: Hashable, Sendable {
    case file(String)
    case bytes([UInt8])
  }

  let place: Place

  /// A file's path, relative to the working directory where it does not start with "/".
  public static func file(_ path: String) -> TLSSource { TLSSource(place: .file(path)) }

  /// PEM or DER in memory.
  public static func bytes(_ bytes: [UInt8]) -> TLSSource { TLSSource(place: .bytes(bytes)) }

  /// PEM in memory.
  public static func pem(_ text: String) -> TLSSource { TLSSource(place: .bytes(Array(text.utf8))) }

  /// Nil for bytes.
  var path: String? { if case .file(let path) = place { path } else { nil } }
}

/// Names the source, never what is in it.
extension TLSSource: CustomStringConvertible, CustomReflectable {
  /// The file's path, or how many bytes are in memory.
  public var description: String {
    switch place {
    case .file(let path): path
    case .bytes(let bytes): "\(bytes.count) bytes in memory"
    }
  }

  /// The same for `dump`, and for whatever reflects what the source is a part of.
  public var customMirror: Mirror { Mirror(self, children: ["source": description]) }
}

/// A certificate with what leads to its root, and its private key.
public struct TLSKeyPair: Hashable, Sendable {
  /// The certificate first, then those that lead to a root; the root itself may be left out.
  public var certificate: TLSSource
  /// The private key that belongs to the certificate; one that does not is an error of the credentials.
  public var key: TLSSource
  /// Of an encrypted key; nil: the key is not encrypted.
  public var password: String?

  /// A pair from files or memory; nothing is read before credentials are made of it.
  ///
  /// - Parameters:
  ///   - certificate: The certificate first, then those that lead to a root.
  ///   - key: Its private key.
  ///   - password: Of an encrypted key; nil by default.
  public init(certificate: TLSSource, key: TLSSource, password: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.password = password
  }

  /// The same as `init`, to be written where a pair is wanted: `.pair(certificate: .file("server.pem"), key:
  /// .file("server.key"))`.
  public static func pair(certificate: TLSSource, key: TLSSource, password: String? = nil) -> TLSKeyPair {
    TLSKeyPair(certificate: certificate, key: key, password: password)
  }
}

extension TLSKeyPair: CustomStringConvertible, CustomReflectable {
  /// Where certificate and key come from, as `TLSSource` says it; never the password.
  public var description: String { "certificate \(certificate), key \(key)" }
  /// The same for `dump`: without the password.
  public var customMirror: Mirror { Mirror(self, children: ["certificate": certificate, "key": key]) }
}

/// The certificates that are trusted to have signed those of peers.
public struct TLSRoots: Hashable, Sendable {
  var usesSystem: Bool
  var sources: [TLSSource]

  /// Those that the system trusts (OpenSSL's default places, `SSL_CERT_FILE`, `SSL_CERT_DIR`).
  public static let system = TLSRoots(usesSystem: true, sources: [])

  /// These and no others. Any certificate may be one, not only those that signed themselves.
  public static func only(_ sources: TLSSource...) -> TLSRoots { TLSRoots(usesSystem: false, sources: sources) }

  /// The certificates of a file and no others.
  public static func file(_ path: String) -> TLSRoots { .only(.file(path)) }

  /// Certificates in memory and no others.
  public static func pem(_ text: String) -> TLSRoots { .only(.pem(text)) }

  /// The same and these.
  public func adding(_ sources: TLSSource...) -> TLSRoots {
    TLSRoots(usesSystem: usesSystem, sources: self.sources + sources)
  }
}
