import COpenSSL
import VoleryPlatform

extension TLSPeerCertificate {
  /// Reads what a certificate says.
  init(_ x509: OpaquePointer) {
    subject = Certificate.text(of: X509_get_subject_name(x509))
    issuer = Certificate.text(of: X509_get_issuer_name(x509))
    commonName = TLSPeerCertificate.commonName(x509)
    serialNumber = TLSPeerCertificate.serialNumber(x509)
    notBefore = TLSPeerCertificate.seconds(X509_get0_notBefore(x509))
    notAfter = TLSPeerCertificate.seconds(X509_get0_notAfter(x509))
    der = TLSPeerCertificate.der(x509)
    readAlternativeNames(x509)
  }

  static func der(_ x509: OpaquePointer) -> [UInt8] {
    let count = Int(i2d_X509(x509, nil))
    guard count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
      var end = buffer.baseAddress
      written = max(0, Int(i2d_X509(x509, &end)))
    }
  }

  private static func commonName(_ x509: OpaquePointer) -> String? {
    let name = X509_get_subject_name(x509)
    let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
    guard index >= 0 else { return nil }
    var bytes: UnsafeMutablePointer<UInt8>?
    let count = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)))
    guard count >= 0, let bytes else { return nil }
    defer { CRYPTO_free(bytes, "", 0) }
    return String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
  }

  private static func serialNumber(_ x509: OpaquePointer) -> String {
    guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nil) else { return "" }
    defer { BN_free(number) }
    guard let text = BN_bn2hex(number) else { return "" }
    defer { CRYPTO_free(text, "", 0) }
    return String(cString: text)
  }

  static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
    var parts = tm()
    guard ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
    return Int64(timegm(&parts))
  }

  private mutating func readAlternativeNames(_ x509: OpaquePointer) {
    guard let data = X509_get_ext_d2i(x509, NID_subject_alt_name, nil, nil) else { return }
    let names = OpaquePointer(data)
    defer { GENERAL_NAMES_free(names) }
    for index in 0..<volery_sk_GENERAL_NAME_num(names) {
      guard let name = volery_sk_GENERAL_NAME_value(names, index) else { continue }
      var type: Int32 = 0
      guard let value = GENERAL_NAME_get0_value(name, &type) else { continue }
      guard [GEN_DNS, GEN_URI, GEN_EMAIL, GEN_IPADD].contains(type) else { continue }
      let string = value.assumingMemoryBound(to: ASN1_STRING.self)
      let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
      let text = String(decoding: bytes, as: UTF8.self)
      switch type {
      case GEN_DNS: dnsNames.append(text)
      case GEN_URI: uris.append(text)
      case GEN_EMAIL: emailAddresses.append(text)
      default: if let address = TLSPeerCertificate.address(bytes) { ipAddresses.append(address) }
      }
    }
  }

  private static func address(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    return AddressLiteral.text(of: bytes.baseAddress!, family: bytes.count == 4 ? AF_INET : AF_INET6)
  }

  /// A point in time as people write it: 2026-11-24 14:21:44 UTC.
  static func text(seconds: Int64) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    var text = [CChar](repeating: 0, count: 40)
    let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
    return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
