import VoleryLoadBalancing
import VoleryTypes

/// The servers that cookies may name, each with the subchannel that a session's call goes to: the child policy's, or one that is kept
/// for its sessions alone. A value: says what has changed, and does nothing.
struct SessionHosts {
  /// Where a call goes that names the server.
  struct Place: Sendable {
    let subchannel: Subchannel
    /// Ready, connecting or idle.
    let state: ConnectivityState

    static func isSame(_ one: Place?, _ other: Place?) -> Bool {
      one?.subchannel === other?.subchannel && one?.state == other?.state
    }
  }

  private struct Host {
    let endpoint: Endpoint
    let isDraining: Bool
    /// Whether the cluster lets servers in this state keep their sessions.
    let keepsSessions: Bool
    var members: [Int] = []
  }

  private struct Member {
    let subchannel: Subchannel
    var state = ConnectivityState.idle
    /// Nil: its server is not in the list.
    var host: Int?
  }

  /// By address.
  private(set) var numbers: [SocketAddress: Int] = [:]
  /// By number; nil: calls go where the child wants.
  private(set) var places: [Place?] = []
  private var hosts: [Host] = []
  private var members: [Int: Member] = [:]
  /// Of the members: for sessions alone.
  private var kept: Set<Int> = []
  private var hasNews = false

  /// Takes over the list.
  mutating func update(_ endpoints: [Endpoint], keeping states: Set<EndpointHealth>) {
    let before = (numbers, places)
    numbers = Dictionary(minimumCapacity: endpoints.count)
    hosts = endpoints.enumerated().map { number, endpoint in
      for address in endpoint.addresses { numbers[address] = number }
      let health = endpoint.attributes.health
      return Host(endpoint: endpoint, isDraining: health == .draining, keepsSessions: states.contains(health))
    }
    for (id, member) in members {
      let number = number(of: member.subchannel)
      members[id]?.host = number
      if let number { hosts[number].members.append(id) }
    }
    places = Array(repeating: nil, count: hosts.count)
    for number in hosts.indices { places[number] = place(hosts[number]) }
    if numbers != before.0 || !places.elementsEqual(before.1, by: Place.isSame) { hasNews = true }
  }

  private func number(of subchannel: Subchannel) -> Int? {
    subchannel.endpoint.addresses.lazy.compactMap { [numbers] in numbers[$0] }.first
  }

  /// The child has made a subchannel, or the policy itself one for draining servers' sessions.
  mutating func add(_ subchannel: Subchannel, isKept: Bool = false) {
    let number = number(of: subchannel)
    members[subchannel.id] = Member(subchannel: subchannel, host: number)
    if isKept { kept.insert(subchannel.id) }
    guard let number else { return }
    hosts[number].members.append(subchannel.id)
    decide(number)
  }

  /// The child has given a subchannel up. False: nobody needs it.
  mutating func keep(_ id: Int) -> Bool {
    guard let member = members[id] else { return false }
    if let number = member.host, hosts[number].isDraining, hosts[number].keepsSessions {
      kept.insert(id)
      return true
    }
    remove(id)
    return false
  }

  mutating func changed(_ change: SubchannelChange) {
    guard members[change.id] != nil else { return }
    members[change.id]!.state = change.state
    if let number = members[change.id]!.host { decide(number) }
  }

  /// Those that were kept for sessions and are not needed any more: their server is gone, or the child has a connection to it again.
  mutating func takeNeedless() -> [Int] {
    let needless = kept.filter { id in
      guard let member = members[id] else { return true }
      guard let number = member.host, hosts[number].keepsSessions else { return true }
      guard !hosts[number].isDraining else { return false }
      return member.state != .ready
        || hosts[number].members.contains { !kept.contains($0) && members[$0]?.state == .ready }
    }
    for id in needless { remove(id) }
    return needless.sorted()
  }

  /// Draining servers whose sessions nobody has a subchannel for.
  var unserved: [Endpoint] {
    hosts.compactMap { $0.isDraining && $0.keepsSessions && $0.members.isEmpty ? $0.endpoint : nil }
  }

  /// Whether calls may have to go elsewhere since this was last asked.
  mutating func takeNews() -> Bool {
    defer { hasNews = false }
    return hasNews
  }

  private mutating func remove(_ id: Int) {
    kept.remove(id)
    guard let number = members.removeValue(forKey: id)?.host else { return }
    hosts[number].members.removeAll { $0 == id }
    decide(number)
  }

  private mutating func decide(_ number: Int) {
    let new = place(hosts[number])
    guard !Place.isSame(new, places[number]) else { return }
    places[number] = new
    hasNews = true
  }

  private func place(_ host: Host) -> Place? {
    guard host.keepsSessions else { return nil }
    for state in [ConnectivityState.ready, .connecting, .idle] {
      if let member = host.members.lazy.compactMap({ members[$0] }).first(where: { $0.state == state }) {
        return Place(subchannel: member.subchannel, state: state)
      }
    }
    return nil
  }
}
