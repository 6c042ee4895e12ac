/// IP addresses as texts: `10.0.0.1`, `fd00::1`, `fe80::1%eth0` (RFC 4291, section 2.2; RFC 4007, section 11). What is an
/// address, and not a name, is decided here and nowhere else, by the system's own reading, and nothing is looked up.
package enum AddressLiteral {
  package struct IPv6 {
    package let address: in6_addr
    /// What follows a `%`: the name or the number of a network interface, which need not exist. Nil where there is none.
    package let zone: String?
  }

  package static func isAddress(_ text: String) -> Bool { isIPv4(text) || isIPv6(text) }

  package static func isIPv4(_ text: String) -> Bool { ipv4(text) != nil }

  package static func isIPv6(_ text: String) -> Bool { ipv6(text) != nil }

  /// Of four decimal numbers without zeros in front; nil for anything else.
  package static func ipv4(_ text: String) -> in_addr? {
    var address = in_addr()
    return read(text, AF_INET, &address) ? address : nil
  }

  package static func ipv6(_ text: String) -> IPv6? {
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 1 || !parts[1].isEmpty && !parts[1].utf8.contains(0) else { return nil }
    var address = in6_addr()
    guard read(String(parts[0]), AF_INET6, &address) else { return nil }
    return IPv6(address: address, zone: parts.count > 1 ? String(parts[1]) : nil)
  }

  /// The text of a binary address in network order; nil for another family.
  ///
  /// - Parameter address: 4 bytes for AF_INET, 16 for AF_INET6.
  package static func text(of address: UnsafeRawPointer, family: Int32) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(family, address, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A host and its port as URIs and logs have them (RFC 3986, 3.2.2): an IPv6 address stands in brackets.
  package static func text(host: String, port: Int) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  private static func read(_ text: String, _ family: Int32, _ address: UnsafeMutableRawPointer) -> Bool {
    // C would not see what follows a NUL.
    !text.utf8.contains(0) && inet_pton(family, text, address) == 1
  }
}
