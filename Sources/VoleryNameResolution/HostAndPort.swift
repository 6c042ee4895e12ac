import VoleryPlatform

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

/// Tells IP literals from names, without asking the system.
package enum AddressLiteral {
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

  package static func isAddress(_ text: String) -> Bool { isIPv4(text) || isIPv6(text) }

  package static func isIPv4(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return false }
    return parts.allSatisfy { part in
      (1...3).contains(part.count) && part.utf8.allSatisfy { $0 &- 0x30 < 10 } && Int(part)! <= 255
        && (part.count == 1 || part.first != "0")
    }
  }

  /// RFC 4291 text form, with an optional zone (`%eth0`).
  package static func isIPv6(_ text: String) -> Bool {
    let zoned = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    guard zoned.count == 1 || !zoned[1].isEmpty else { return false }
    let address = String(zoned[0])
    guard address.contains(":"), !address.contains(":::") else { return false }
    let halves = address.split(separator: "::", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { return false }
    var groups = 0
    for (index, half) in halves.enumerated() where !half.isEmpty {
      let isLastHalf = index == halves.count - 1
      guard let count = groupCount(half, mayEndInIPv4: isLastHalf) else { return false }
      groups += count
    }
    return halves.count == 2 ? groups <= 7 : groups == 8
  }

  private static func groupCount(_ half: Substring, mayEndInIPv4: Bool) -> Int? {
    let parts = half.split(separator: ":", omittingEmptySubsequences: false)
    var count = 0
    for (index, part) in parts.enumerated() {
      if mayEndInIPv4, index == parts.count - 1, part.contains(".") {
        guard isIPv4(String(part)) else { return nil }
        count += 2
      } else {
        guard (1...4).contains(part.count), part.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
        count += 1
      }
    }
    return count
  }
}
