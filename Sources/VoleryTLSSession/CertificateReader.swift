import COpenSSL
import VoleryPlatform

/// Reads certificates, in PEM or DER.
struct CertificateReader {
  let source: TLSSource
  /// "certificate" or "roots", for error messages.
  let role: String

  /// At least one; the first is the one of the owner where it is a chain.
  func read() throws(TLSError) -> [Certificate] {
    let bytes = try source.read(role)
    let certificates = bytes.isPEM ? try readPEM(bytes) : try readDER(bytes)
    guard !certificates.isEmpty else {
      throw TLSError("the \(role) \(source) has no certificate in it, neither PEM nor DER")
    }
    return certificates
  }

  private func readPEM(_ bytes: [UInt8]) throws(TLSError) -> [Certificate] {
    let announced =
      bytes.count(of: "-----BEGIN CERTIFICATE-----") + bytes.count(of: "-----BEGIN TRUSTED CERTIFICATE-----")
      + bytes.count(of: "-----BEGIN X509 CERTIFICATE-----")
    let certificates = try withReader(bytes) { (bio) throws(TLSError) in
      var certificates: [Certificate] = []
      while let x509 = PEM_read_bio_X509(bio, nil, { _, _, _, _ in 0 }, nil) {
        certificates.append(Certificate(owning: x509))
      }
      return certificates
    }
    guard certificates.count == announced else {
      throw TLSError(
        "the \(role) \(source): certificate \(certificates.count + 1) of \(announced) is damaged or cut off")
    }
    return certificates
  }

  private func readDER(_ bytes: [UInt8]) throws(TLSError) -> [Certificate] {
    try withReader(bytes) { (bio) throws(TLSError) in
      guard let x509 = d2i_X509_bio(bio, nil) else { return [] }
      return [Certificate(owning: x509)]
    }
  }
}

/// Reads a private key, in PEM or DER, encrypted or not.
struct PrivateKeyReader {
  let source: TLSSource
  let password: String?

  func read() throws(TLSError) -> PrivateKey {
    let bytes = try source.read("private key")
    let request = PasswordRequest(password)
    let key = try withReader(bytes) { (bio) throws(TLSError) in
      bytes.isPEM ? PrivateKeyReader.readPEM(bio, request) : PrivateKeyReader.readDER(bio, request)
    }
    if let key { return PrivateKey(owning: key) }
    guard request.wasAsked else {
      throw TLSError("the private key \(source) has no private key in it that can be read: damaged, cut off, or no key")
    }
    throw TLSError(
      password == nil
        ? "the private key \(source) is encrypted, and no password was given"
        : "the private key \(source) is encrypted, and the password that was given does not open it")
  }

  private static func readPEM(_ bio: OpaquePointer, _ request: PasswordRequest) -> OpaquePointer? {
    PEM_read_bio_PrivateKey(bio, nil, PasswordRequest.answer, request.pointer)
  }

  private static func readDER(_ bio: OpaquePointer, _ request: PasswordRequest) -> OpaquePointer? {
    if let key = d2i_PrivateKey_bio(bio, nil) { return key }
    BIO_ctrl(bio, BIO_CTRL_RESET, 0, nil)
    return d2i_PKCS8PrivateKey_bio(bio, nil, PasswordRequest.answer, request.pointer)
  }
}

/// Answers OpenSSL's question for a password; without one it would ask at the terminal.
private final class PasswordRequest {
  private let password: [UInt8]?
  private(set) var wasAsked = false

  init(_ password: String?) { self.password = password.map { Array($0.utf8) } }

  var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

  static let answer: @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = {
    buffer, size, _, context in
    let request = Unmanaged<PasswordRequest>.fromOpaque(context!).takeUnretainedValue()
    request.wasAsked = true
    guard let password = request.password, let buffer, password.count <= Int(size) else { return -1 }
    UnsafeMutableRawBufferPointer(start: buffer, count: Int(size)).copyBytes(from: password)
    return Int32(password.count)
  }
}

extension TLSSource {
  /// The system's whole bundle of roots has 0.2 MiB.
  static let maxFileBytes = 16 << 20

  private static func text(_ failure: SmallFile.Failure) -> String {
    switch failure {
    case .system: "can't be read: \(failure.text)"
    case .notRegular: "is not a file"
    case .tooLarge: "is too large to be a certificate or a key"
    }
  }

  fileprivate func read(_ role: String) throws(TLSError) -> [UInt8] {
    let bytes: [UInt8]
    switch place {
    case .file(let path):
      do throws(SmallFile.Failure) {
        bytes = try SmallFile.content(of: path, limit: TLSSource.maxFileBytes)
      } catch {
        throw TLSError("the \(role) \(path) \(TLSSource.text(error))")
      }
    case .bytes(let given): bytes = given
    }
    guard !bytes.isEmpty else { throw TLSError("the \(role) \(self) is empty") }
    return bytes
  }
}

extension [UInt8] {
  fileprivate var isPEM: Bool { count(of: "-----BEGIN ") > 0 }

  fileprivate func count(of text: StaticString) -> Int {
    let pattern = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    var found = 0
    var index = 0
    while index + pattern.count <= count {
      if self[index] == pattern[0], self[index..<(index + pattern.count)].elementsEqual(pattern) { found += 1 }
      index += 1
    }
    return found
  }
}
