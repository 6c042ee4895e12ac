import VoleryNameResolution
package import VoleryTypes

/// Makes one update of the answers to A and AAAA.
package enum DNSMerge {
  /// - Parameter lastGood: What each family last had; a family that failed, or has not answered, keeps it.
  static func update(
    answers: [DNSLookup.Family: DNSAnswer], lastGood: inout [DNSLookup.Family: [String]], host: String, port: Int
  ) -> ResolverUpdate {
    var reasons: [String] = []
    var hasAnswer = false
    var addresses: [DNSLookup.Family: [String]] = [:]
    for family in [DNSLookup.Family.ipv4, .ipv6] {
      switch answers[family] {
      case .addresses(let found)?:
        hasAnswer = true
        lastGood[family] = found
        addresses[family] = found
      case .none(let reason)?:
        hasAnswer = true
        reasons.append(reason)
        lastGood[family] = nil
      case .failed(let reason)?:
        reasons.append(reason)
        addresses[family] = lastGood[family]
      case nil:
        addresses[family] = lastGood[family]
      }
    }
    let reason = reasons.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ", ")
    let list = endpoints(addresses[.ipv4] ?? [], addresses[.ipv6] ?? [], port: port)
    if list.isEmpty, !hasAnswer || answers.values.contains(where: { if case .failed = $0 { true } else { false } }) {
      return .failed(StatusError(.unavailable, "DNS look-up of \(host) failed: \(reason)"))
    }
    let note =
      list.isEmpty
      ? "the name has no addresses (\(reason))" : "\(list.count) \(list.count == 1 ? "address" : "addresses")"
    return .resolved(Resolution(endpoints: list, note: note))
  }

  /// Every address its own endpoint (gRFC A61); but one of each family is one server with two stacks.
  package static func endpoints(_ ipv4: [String], _ ipv6: [String], port: Int) -> [Endpoint] {
    if ipv4.count == 1, ipv6.count == 1 { return [Endpoint([.tcp(ipv6[0], port), .tcp(ipv4[0], port)])] }
    var seen: Set<String> = []
    return (ipv4 + ipv6).filter { seen.insert($0).inserted }.map { Endpoint(.tcp($0, port)) }
  }
}
