import COpenSSL

/// An X509 that is counted as a Swift object is.
final class Certificate {
  let x509: OpaquePointer

  /// Takes over one reference.
  init(owning x509: OpaquePointer) { self.x509 = x509 }

  deinit { X509_free(x509) }

  var subject: String { Certificate.text(of: X509_get_subject_name(x509)) }
  var issuer: String { Certificate.text(of: X509_get_issuer_name(x509)) }

  static func text(of name: OpaquePointer?) -> String {
    guard let name else { return "" }
    return MemoryText.collect { X509_NAME_print_ex($0, name, 0, volery_XN_FLAG_RFC2253) }
  }
}

/// A private key that is counted as a Swift object is.
final class PrivateKey {
  let key: OpaquePointer

  /// Takes over one reference.
  init(owning key: OpaquePointer) { self.key = key }

  deinit { EVP_PKEY_free(key) }
}

/// Bytes as a BIO that OpenSSL reads.
func withReader<Value>(_ bytes: [UInt8], _ body: (OpaquePointer) throws(TLSError) -> Value) throws(TLSError) -> Value {
  let result = bytes.withUnsafeBytes { bytes -> Result<Value, TLSError> in
    guard let bio = BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
      return .failure(TLSError("out of memory"))
    }
    defer {
      BIO_free(bio)
      ERR_clear_error()
    }
    return Result { () throws(TLSError) in try body(bio) }
  }
  return try result.get()
}

/// Text that OpenSSL prints.
enum MemoryText {
  static func collect(_ body: (OpaquePointer) -> Int32) -> String {
    guard let bio = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(bio) }
    _ = body(bio)
    var data: UnsafeMutablePointer<CChar>?
    let count = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data)
    guard count > 0, let data else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: data, count: count), as: UTF8.self)
  }
}
