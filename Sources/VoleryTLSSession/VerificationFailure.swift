import COpenSSL
import VoleryPrimitives

/// Says in words why a peer's certificate is not accepted: which certificate, which check, and what was expected.
struct VerificationFailure {
  let role: TLSConfiguration.Role
  /// What the certificate should have been for; nil where names don't matter.
  let serverName: String?

  func description(_ store: OpaquePointer) -> String {
    let code = X509_STORE_CTX_get_error(store)
    guard let leaf = X509_STORE_CTX_get0_cert(store) else { return "the certificate can't be checked" }
    let certificate = TLSPeerCertificate(leaf)
    let current = X509_STORE_CTX_get_current_cert(store).map { TLSPeerCertificate($0) }
    let depth = X509_STORE_CTX_get_error_depth(store)
    return prefix(certificate) + reason(code, certificate, depth > 0 ? current : nil)
  }

  /// - Parameter text: What the program's own closure said.
  func description(_ certificate: TLSPeerCertificate, refusal text: String) -> String { prefix(certificate) + text }

  private func prefix(_ certificate: TLSPeerCertificate) -> String {
    let whose = role == .client ? "server" : "client"
    let (subject, issuer) = (
      VerificationFailure.name(certificate.subject), VerificationFailure.name(certificate.issuer)
    )
    return "the \(whose)'s certificate (\(subject), issued by \(issuer)) is not accepted: "
  }

  /// A distinguished name, which the peer has chosen; RFC 2253 has its own escapes.
  private static func name(_ text: String) -> String { String(line: text, limit: 200) }

  /// - Parameter other: The certificate of the chain that is at fault, if it is not the peer's own.
  private func reason(_ code: Int32, _ certificate: TLSPeerCertificate, _ other: TLSPeerCertificate?) -> String {
    let which = other.map { "\(VerificationFailure.name($0.subject)) of its chain" } ?? "it"
    let faulty = other ?? certificate
    switch code {
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "it is for \(names(certificate)), not for \"\(serverName ?? "")\""
    case X509_V_ERR_CERT_HAS_EXPIRED: return "\(which) expired on \(TLSPeerCertificate.text(seconds: faulty.notAfter))"
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "\(which) is not valid before \(TLSPeerCertificate.text(seconds: faulty.notBefore))"
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return "it has signed itself, and is not one of the trusted roots"
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "its root \(VerificationFailure.name(faulty.subject)) is not one of the trusted roots"
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the issuer \(VerificationFailure.name(faulty.issuer)) is not one of the trusted roots, nor sent along"
    case X509_V_ERR_INVALID_PURPOSE:
      return "\(which) is not made for a \(role == .client ? "server" : "client") (key usage, extended key usage)"
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "the signature of \(which) is wrong"
    default: return "\(which): \(String(cString: X509_verify_cert_error_string(Int(code))))"
    }
  }

  private func names(_ certificate: TLSPeerCertificate) -> String {
    let names = certificate.dnsNames + certificate.ipAddresses + certificate.uris
    guard !names.isEmpty else { return "no name (it has no subject alternative names)" }
    let more = names.count > 8 ? " and \(names.count - 8) more" : ""
    return names.prefix(8).map { "\"\(String(foreign: $0))\"" }.joined(separator: ", ") + more
  }
}
