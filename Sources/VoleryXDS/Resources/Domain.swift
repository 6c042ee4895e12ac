/// Which virtual host is for a name (xDS, `VirtualHost.domains`): exact before suffix (`*.shop`) before prefix (`orders.*`)
/// before all (`*`), the longest first.
package enum Domain {
  static func isPattern(_ text: String) -> Bool {
    !text.isEmpty && !text.dropFirst().dropLast().contains("*") && (text == "*" || text.count { $0 == "*" } <= 1)
  }

  package static func find(_ name: String, in hosts: [RouteTable.VirtualHost]) -> RouteTable.VirtualHost? {
    let name = name.lowercased()
    var best: (rank: Int, length: Int, host: RouteTable.VirtualHost)?
    for host in hosts {
      for domain in host.domains {
        guard let rank = rank(domain.lowercased(), name) else { continue }
        let length = domain.utf8.count
        if let best, (best.rank, best.length) >= (rank, length) { continue }
        best = (rank, length, host)
      }
    }
    return best?.host
  }

  private static func rank(_ domain: String, _ name: String) -> Int? {
    if domain == "*" { return 0 }
    if domain.hasSuffix("*") { return name.hasPrefix(domain.dropLast()) ? 1 : nil }
    if domain.hasPrefix("*") { return name.hasSuffix(domain.dropFirst()) ? 2 : nil }
    return domain == name ? 3 : nil
  }
}
