package import VoleryTypes

/// Which of the servers a client uses. The same list gives the same ones, whatever its order.
package struct Subset: Hashable, Sendable {
  /// Who the client is.
  package enum Client: Hashable, Sendable {
    /// One of many, about which nothing is known: rendezvous hashing with a salt of its own (gRFC A68). One server more or fewer
    /// changes one of the subset; how many clients a server has is left to chance.
    case random(salt: UInt64)
    /// The one with this number; the others have the numbers from 0 on. On the circle of servers, sorted by hash, each client
    /// takes the next ones after its predecessor's: servers differ by one client at most. One server in another's place changes
    /// one of each subset at most.
    case numbered(Int)
  }

  package let size: Int
  package let client: Client

  /// - Parameter size: Above 0.
  package init(size: Int, client: Client) {
    self.size = size
    self.client = client
  }

  /// All, where there are no more than wanted. Endpoints without an address are left out.
  package func chosen(of endpoints: [Endpoint]) -> [Endpoint] {
    var keyed: [(hash: UInt64, name: String, endpoint: Endpoint)] = []
    var seen: Set<String> = []
    for endpoint in endpoints {
      guard let first = endpoint.addresses.first else { continue }
      let name = "\(first)"
      guard seen.insert(name).inserted else { continue }
      keyed.append((XXHash64.hash(name, seed: seed), name, endpoint))
    }
    guard keyed.count > size else { return keyed.map(\.endpoint) }
    keyed.sort { ($0.hash, $0.name) < ($1.hash, $1.name) }
    switch client {
    case .random: return keyed.prefix(size).map(\.endpoint)
    case .numbered(let number):
      // Both below 2^32.
      let start = number * size % keyed.count
      return (0..<size).map { keyed[(start + $0) % keyed.count].endpoint }
    }
  }

  private var seed: UInt64 {
    switch client {
    case .random(let salt): salt
    // The same circle for every client.
    case .numbered: 0
    }
  }

  /// The number of a client: what `VOLERY_CLIENT_INDEX` says, or the number at the end of a StatefulSet pod's name (`web-3`), which is
  /// its HOSTNAME. Nil: neither is there.
  package static func clientNumber(_ environment: (String) -> String?) -> Int? {
    if let text = environment("VOLERY_CLIENT_INDEX") { return number(text[...]) }
    guard let host = environment("HOSTNAME"), let dash = host.lastIndex(of: "-") else { return nil }
    return number(host[host.index(after: dash)...])
  }

  private static func number(_ text: Substring) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
    return Int(text)
  }
}
