import VoleryTypes

/// `ring_hash_experimental` (gRFC A42, A61, A76): calls with the same hash go to the same server, as long as it is there. Servers are
/// connected when the first call for them comes. One that fails is passed over for the next in the ring, and tried again.
struct RingHashPolicy: LoadBalancingPolicy {
  /// A server; an endpoint with several addresses has one connection (gRFC A61: what a pick_first below would do, the
  /// subchannel does itself).
  private struct Member {
    let subchannel: Subchannel
    let key: String
    /// Of all endpoints with these addresses.
    var weight: UInt64
    var state = ConnectivityState.idle
    /// From the first failed dial until it is ready (gRFC A62).
    var isFailing = false
    var error: StatusError?

    /// What it counts as.
    var standing: ConnectivityState { isFailing && state != .ready ? .transientFailure : state }
  }

  /// Endpoints that are the same server.
  private struct Identity: Hashable {
    let addresses: Set<SocketAddress>
    let serverName: String?
    let cluster: String?
  }

  private let context: PolicyContext
  private var configuration: RingHashConfiguration
  private var members: [Int: Member] = [:]
  private var ids: [Identity: Int] = [:]
  /// In the resolver's order.
  private var order: [Int] = []
  private var places: [HashRing.Place] = []
  private var ring = HashRing([], limit: 1)
  private var isOutdated = true

  init(_ configuration: RingHashConfiguration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? RingHashPolicy else { return false }
    isOutdated = isOutdated || configuration != fresh.configuration
    configuration = fresh.configuration
    return true
  }

  // MARK: What happens

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    var kept: [Identity: Int] = [:]
    var wanted: [Int] = []
    // Weight 0 gets no calls, unless there is nothing else.
    let isWeighty = endpoints.contains { !$0.addresses.isEmpty && $0.attributes.weight != 0 }
    for endpoint in endpoints where !endpoint.addresses.isEmpty {
      let weight = isWeighty ? UInt64(endpoint.attributes.weight ?? 1) : 1
      let identity = Identity(
        addresses: Set(endpoint.addresses), serverName: endpoint.attributes.serverName,
        cluster: endpoint.attributes.cluster)
      guard weight > 0 else { continue }
      if let id = kept[identity] {
        members[id]?.weight += weight
        continue
      }
      let key = endpoint.attributes.hashKey.flatMap { $0.isEmpty ? nil : $0 } ?? "\(endpoint.addresses[0])"
      let old = ids[identity].flatMap { members[$0] }
      var member = Member(subchannel: old?.subchannel ?? effects.subchannel(for: endpoint), key: key, weight: weight)
      if let old { (member.state, member.isFailing, member.error) = (old.state, old.isFailing, old.error) }
      members[member.subchannel.id] = member
      kept[identity] = member.subchannel.id
      wanted.append(member.subchannel.id)
    }
    for id in Set(order).subtracting(wanted).sorted() {
      members[id] = nil
      effects.remove(id)
    }
    (ids, order) = (kept, wanted)
    makeRing()
    settle(isForced: isOutdated, &effects)
    isOutdated = false
    return !wanted.isEmpty
  }

  private mutating func makeRing() {
    var taken: Set<String> = []
    let new = order.compactMap { members[$0] }.map { member in
      // Two servers that call themselves the same would have the same hashes.
      var (key, number) = (member.key, 1)
      while !taken.insert(key).inserted {
        number += 1
        key = "\(member.key)#\(number)"
      }
      return HashRing.Place(key: key, weight: member.weight)
    }
    guard new != places || isOutdated else { return }
    places = new
    isOutdated = true
    let size = configuration.size
    ring = configuration.isSteady ? HashRing(new, limit: size.upperBound) : HashRing(new, size: size)
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    var (isKnown, isForced) = (false, false)
    for change in changes {
      guard let isNews = note(change, &effects) else { continue }
      isKnown = true
      isForced = isForced || isNews
    }
    if isKnown { settle(isForced: isForced, &effects) }
  }

  /// Whether a picker has to know of it; nil: it is of none of the members.
  private mutating func note(_ change: SubchannelChange, _ effects: inout PolicyEffects) -> Bool? {
    let (id, state, error) = (change.id, change.state, change.error)
    guard var member = members[id] else { return nil }
    let old = member.standing
    member.state = state
    switch state {
    case .ready: (member.isFailing, member.error) = (false, nil)
    case .transientFailure: (member.isFailing, member.error) = (true, error ?? member.error)
    // One that has failed is tried until it is there again: nobody else asks for it.
    case .idle: if member.isFailing { effects.connect(id) }
    case .connecting, .shutdown: break
    }
    members[id] = member
    return old != member.standing || state == .transientFailure
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    if members.isEmpty { effects.publish(.transientFailure, FailingPicker(error: error)) }
  }

  mutating func exitIdle(_ effects: inout PolicyEffects) {
    guard summary == .idle, let first = order.first(where: { members[$0]?.standing == .idle }) else { return }
    effects.connect(first)
  }

  // MARK: What they add up to

  /// gRFC A61's rules, in their order.
  private var summary: ConnectivityState {
    let states = members.values.map(\.standing)
    func count(_ state: ConnectivityState) -> Int { states.count { $0 == state } }
    let failing = count(.transientFailure)
    if count(.ready) > 0 { return .ready }
    if failing >= 2 { return .transientFailure }
    if count(.connecting) > 0 { return .connecting }
    if failing == 1, states.count > 1 { return .connecting }
    return count(.idle) > 0 ? .idle : .transientFailure
  }

  private func settle(isForced: Bool, _ effects: inout PolicyEffects) {
    guard !ring.hashes.isEmpty else {
      let error = StatusError(.unavailable, "the name has no addresses")
      return effects.publish(.transientFailure, FailingPicker(error: error))
    }
    let state = summary
    if isForced {
      let entries = order.compactMap { members[$0] }.map { member in
        RingHashPicker.Member(subchannel: member.subchannel, state: member.standing, error: member.error)
      }
      effects.publish(
        state, RingHashPicker(ring, of: entries, header: configuration.header, seed: context.random()))
    }
    // Without a server that calls could use one after the other is tried, though no call asks for it.
    guard state == .transientFailure || state == .connecting,
      !members.values.contains(where: { $0.standing == .connecting }),
      let next = order.first(where: { members[$0]?.standing == .idle })
    else { return }
    effects.connect(next)
  }
}
