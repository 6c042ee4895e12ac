package import VoleryPlatform

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 literal.
package struct HostAndPort: Hashable, Sendable {
  package let host: String
  package let port: Int

  /// Nil when the text is none of these: no host, a trailing colon, a port above 65535.
  package init?(_ text: some StringProtocol, defaultPort: Int) {
    var host = String(text)
    var portText: String?
    if host.hasPrefix("[") {
      guard let end = host.firstIndex(of: "]") else { return nil }
      let rest = host[host.index(after: end)...]
      host = String(host[host.index(after: host.startIndex)..<end])
      guard AddressLiteral.isIPv6(host) else { return nil }
      if !rest.isEmpty {
        guard rest.hasPrefix(":") else { return nil }
        portText = String(rest.dropFirst())
      }
    } else if !AddressLiteral.isIPv6(host), let colon = host.firstIndex(of: ":") {
      portText = String(host[host.index(after: colon)...])
      host = String(host[..<colon])
    }
    if let portText {
      guard !portText.isEmpty, portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = Int(portText),
        port <= 65535
      else { return nil }
      self.port = port
    } else {
      port = defaultPort
    }
    // ":80" is this machine, as Go has it.
    self.host = host.isEmpty && portText != nil ? "localhost" : host
    guard !self.host.isEmpty else { return nil }
  }
}

extension AddressLiteral {
  /// - Throws: When an address has a zone (`fe80::1%eth0`, RFC 4007) that this machine does not know: no interface has that
  ///   name or number.
  package static func checkZone(of host: String, in target: Target) throws(TargetError) {
    guard let percent = host.firstIndex(of: "%") else { return }
    let zone = String(host[host.index(after: percent)...])
    var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
    guard if_nametoindex(zone) == 0, UInt32(zone).flatMap({ if_indextoname($0, &name) }) == nil else { return }
    throw TargetError(
      "the target \"\(target)\": the zone \"\(zone)\" of \"\(host)\" is no network interface of this machine")
  }
}
