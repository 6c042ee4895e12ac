/// What is wrong with a certificate, a key, a peer or its bytes, in words that name the file, the certificate and the check.
public struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  package init(_ description: String) { self.description = description }
}
