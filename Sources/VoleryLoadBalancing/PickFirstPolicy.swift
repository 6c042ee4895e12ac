import VoleryPlatform
public import VoleryTypes

// For its maths library.

/// One connection, to the first address that answers (gRFC A61, A62): the endpoints' addresses in order, families
/// alternating, tried by Happy Eyeballs. A failure stays reported until a connection is ready. When the connection is
/// lost the policy is idle until the next call.
public struct PickFirstPolicy: LoadBalancingPolicy {
  private let shuffles: Bool
  private let context: PolicyContext
  private var subchannel: Subchannel?
  private var state = ConnectivityState.idle
  private var isFailing = false
  /// The list that replaces the current one as soon as it is ready.
  private var pending: Subchannel?

  /// It has nowhere else to go (gRFC A17).
  public var usesHealthChecks: Bool { false }

  init(shuffles: Bool, context: PolicyContext) {
    self.shuffles = shuffles
    self.context = context
  }

  /// Makes one subchannel of all addresses; a list with other addresses replaces a connection that works only once its own is
  /// ready. Returns false for a list without an address.
  public mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let addresses = flatten(endpoints)
    guard !addresses.isEmpty else {
      if state != .ready { fail(StatusError(.unavailable, "the name has no addresses"), &effects) }
      return false
    }
    guard let current = subchannel else {
      start(addresses, &effects)
      return true
    }
    if Set(current.endpoint.addresses) == Set(addresses) { return true }
    if let pending { effects.remove(pending.id) }
    pending = nil
    if state == .ready {
      pending = effects.subchannel(for: Endpoint(addresses))
      effects.connect(pending!.id)
    } else {
      effects.remove(current.id)
      start(addresses, &effects)
    }
    return true
  }

  private mutating func start(_ addresses: [SocketAddress], _ effects: inout PolicyEffects) {
    let new = effects.subchannel(for: Endpoint(addresses))
    subchannel = new
    state = .connecting
    effects.connect(new.id)
    if !isFailing { effects.publish(.connecting, QueueingPicker()) }
  }

  /// Publishes what the one subchannel has become.
  public mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    if id == pending?.id { return pendingChanged(state, &effects) }
    guard let subchannel, id == subchannel.id else { return }
    let wasReady = self.state == .ready
    self.state = state
    switch state {
    case .ready:
      isFailing = false
      effects.publish(.ready, SinglePicker(subchannel: subchannel))
    case .transientFailure: fail(error ?? StatusError(.unavailable, "no connection"), &effects)
    case .idle:
      if wasReady, let pending {
        self.subchannel = pending
        self.pending = nil
        effects.remove(subchannel.id)
        effects.publish(.connecting, QueueingPicker())
      } else if wasReady {
        effects.publish(.idle, QueueingPicker())
      } else {
        effects.connect(id)
      }
    case .connecting, .shutdown: break
    }
  }

  private mutating func pendingChanged(_ state: ConnectivityState, _ effects: inout PolicyEffects) {
    guard let new = pending else { return }
    switch state {
    case .ready:
      if let subchannel { effects.remove(subchannel.id) }
      subchannel = new
      pending = nil
      self.state = .ready
      effects.publish(.ready, SinglePicker(subchannel: new))
    case .idle: effects.connect(new.id)
    case .connecting, .transientFailure, .shutdown: break
    }
  }

  private mutating func fail(_ error: StatusError, _ effects: inout PolicyEffects) {
    isFailing = true
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  /// Fails calls with the resolver's error, unless there was an answer before, whose servers are tried on.
  public mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    if subchannel == nil { fail(error, &effects) }
  }

  /// Connects.
  public mutating func exitIdle(_ effects: inout PolicyEffects) {
    guard let subchannel, state == .idle else { return }
    state = .connecting
    effects.connect(subchannel.id)
    effects.publish(.connecting, QueueingPicker())
  }

  private func flatten(_ endpoints: [Endpoint]) -> [SocketAddress] {
    var list = endpoints
    if shuffles { list = shuffled(list) }
    return PickFirstPolicy.interleave(list.flatMap(\.addresses))
  }

  /// At random, heavier endpoints first more often (gRFC A113): by u to the power of 1/weight, the largest first.
  private func shuffled(_ endpoints: [Endpoint]) -> [Endpoint] {
    let keyed = endpoints.map { endpoint in
      let chance = Double(context.random() >> 11) * 0x1p-53
      return (key: pow(chance, 1 / Double(max(1, endpoint.attributes.weight ?? 1))), endpoint: endpoint)
    }
    return keyed.sorted { $0.key > $1.key }.map(\.endpoint)
  }

  /// Without duplicates, families alternating, starting with the first one's (RFC 8305, 4).
  package static func interleave(_ addresses: [SocketAddress]) -> [SocketAddress] {
    var seen: Set<SocketAddress> = []
    let unique = addresses.filter { seen.insert($0).inserted }
    guard let first = unique.first else { return [] }
    let same = unique.filter { $0.isIPv6 == first.isIPv6 }
    let other = unique.filter { $0.isIPv6 != first.isIPv6 }
    var result: [SocketAddress] = []
    for index in 0..<max(same.count, other.count) {
      if index < same.count { result.append(same[index]) }
      if index < other.count { result.append(other[index]) }
    }
    return result
  }
}
