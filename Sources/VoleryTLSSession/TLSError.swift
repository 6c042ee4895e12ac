import COpenSSL

/// What is wrong with a certificate, a key, a peer or its bytes, in words that name the file, the certificate and the check.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which file or certificate failed which check, and why; no key, password or other content of a file is in it.
  public let description: String

  package init(_ description: String) { self.description = description }
}

/// OpenSSL's queue of errors, which belongs to the thread.
enum OpenSSLErrors {
  /// Empties the queue into one error.
  static func take(_ what: String) -> TLSError {
    let code = ERR_peek_error()
    ERR_clear_error()
    return TLSError("\(what): \(reason(code))")
  }

  static func reason(_ code: UInt) -> String {
    guard code != 0 else { return "unknown reason" }
    guard let text = ERR_reason_error_string(code) else { return "error \(code)" }
    return String(cString: text)
  }
}
