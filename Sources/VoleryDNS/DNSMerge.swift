import VoleryNameResolution
package import VoleryTypes

/// Makes one update of the answers to the parts of a look-up.
package enum DNSMerge {
  /// - Parameters:
  ///   - answers: Of one look-up; a part that has none yet, or failed, keeps what it had.
  ///   - lastGood: What each part last had.
  ///   - config: The service config that came with it.
  /// - Returns: Nil when the answers say nothing that was not said before.
  static func update(
    answers: [DNSPart: DNSAnswer], lastGood: inout [DNSPart: DNSAnswer], query: DNSQuery, config: TextConfig?
  ) -> ResolverUpdate? {
    var reasons: [String] = []
    var hasAnswer = false
    var hasFailed = false
    for (part, answer) in answers.sorted(by: { $0.key.order < $1.key.order }) {
      if case .failed = answer {} else { lastGood[part] = answer.isFound ? answer : nil }
      guard part != .config else { continue }
      switch answer {
      case .failed(let reason):
        hasFailed = true
        reasons.append(reason)
      case .none(let reason):
        hasAnswer = true
        reasons.append(reason)
      default: hasAnswer = true
      }
    }
    let reason = reasons.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: ", ")
    let list = endpoints(lastGood, query)
    if !hasAnswer, !query.parts.subtracting([.config]).isSubset(of: answers.keys) { return nil }
    if !hasAnswer || list.isEmpty && hasFailed {
      return .failed(StatusError(.unavailable, "DNS look-up of \(query.name) failed: \(reason)"))
    }
    let note =
      list.isEmpty
      ? "the name has no addresses (\(reason))" : "\(list.count) \(list.count == 1 ? "address" : "addresses")"
    var resolution = Resolution(endpoints: list, note: note)
    switch config {
    case .json(let text)?: resolution.serviceConfigJSON = text
    case .invalid(let reason)?: resolution.serviceConfigError = reason
    case nil: break
    }
    return .resolved(resolution)
  }

  private static func endpoints(_ known: [DNSPart: DNSAnswer], _ query: DNSQuery) -> [Endpoint] {
    switch query.kind {
    case .service:
      guard case .endpoints(let list)? = known[.service] else { return [] }
      return list
    case .addresses(let port):
      let lists = [DNSPart.ipv4, .ipv6].map { part -> [String] in
        if case .addresses(let list)? = known[part] { list } else { [] }
      }
      return endpoints(lists[0], lists[1], port: port)
    }
  }

  /// Every address its own endpoint (gRFC A61); but one of each family is one server with two stacks.
  package static func endpoints(_ ipv4: [String], _ ipv6: [String], port: Int) -> [Endpoint] {
    if ipv4.count == 1, ipv6.count == 1 { return [Endpoint([.tcp(ipv6[0], port), .tcp(ipv4[0], port)])] }
    var seen: Set<String> = []
    return (ipv4 + ipv6).filter { seen.insert($0).inserted }.map { Endpoint(.tcp($0, port)) }
  }

  /// What is known, without the order, which name servers change from answer to answer.
  static func unordered(_ known: [DNSPart: DNSAnswer]) -> [DNSPart: Set<String>] {
    known.mapValues { answer in
      switch answer {
      case .addresses(let list), .texts(let list): Set(list)
      case .endpoints(let list): Set(list.map { "\($0) \($0.attributes.weight ?? 0) \($0.attributes.priority ?? 0)" })
      case .none, .failed: []
      }
    }
  }
}

extension DNSPart {
  fileprivate var order: Int {
    switch self {
    case .ipv4, .service: 0
    case .ipv6: 1
    case .config: 2
    }
  }
}
