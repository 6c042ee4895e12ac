import VoleryTypes

/// The subchannels of a policy that spreads calls: one for each endpoint. Keeps track of their states, of which are still
/// wanted, and of what the whole adds up to.
///
/// A subchannel whose endpoint is gone serves on as long as no wanted one is ready (make before break).
struct EndpointSet {
  struct Member {
    let subchannel: Subchannel
    var state = ConnectivityState.idle
    /// Sticky: from the first failed dial until ready (gRFC A62).
    var isFailing = false
    var error: StatusError?
    var priority: UInt32 = 0
    /// Its relative share of calls; 0: none while another one that is ready has more.
    var weight: UInt32 = 1
  }

  /// What a connection depends on: an endpoint of which none of it has changed keeps its subchannel.
  private struct ServerKey: Hashable {
    let addresses: Set<SocketAddress>
    let serverName: String?
    let cluster: String?

    init(_ endpoint: Endpoint) {
      addresses = Set(endpoint.addresses)
      serverName = endpoint.attributes.serverName
      cluster = endpoint.attributes.cluster
    }
  }

  /// What the members add up to.
  enum Summary {
    case ready([Subchannel])
    case connecting
    case failing(StatusError)
    /// Nothing to connect to.
    case empty

    /// Tells what becomes of calls while none is ready.
    func publishNone(_ effects: inout PolicyEffects) {
      switch self {
      case .ready: break
      case .connecting: effects.publish(.connecting, QueueingPicker())
      case .failing(let error): effects.publish(.transientFailure, FailingPicker(error: error))
      case .empty:
        effects.publish(.transientFailure, FailingPicker(error: StatusError(.unavailable, "the name has no addresses")))
      }
    }
  }

  private var members: [Int: Member] = [:]
  private var idOfEndpoint: [ServerKey: Int] = [:]
  /// Nil: nobody looks for slow ones.
  private let detector: SlownessDetector?
  /// In the resolver's order.
  private var order: [Int] = []
  /// Not wanted any more, but ready, and nothing else is.
  private var retiring: [Int: Subchannel] = [:]

  init(detector: SlownessDetector? = nil) { self.detector = detector }

  /// Takes over the resolver's list.
  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) {
    var wanted: [Int] = []
    var kept: [ServerKey: Int] = [:]
    for endpoint in endpoints {
      let key = ServerKey(endpoint)
      guard kept[key] == nil else { continue }
      let id = idOfEndpoint[key] ?? add(endpoint, &effects)
      members[id]?.priority = endpoint.attributes.priority ?? 0
      members[id]?.weight = endpoint.attributes.weight ?? 1
      kept[key] = id
      wanted.append(id)
    }
    let gone = Set(order).subtracting(wanted)
    order = wanted
    idOfEndpoint = kept
    for id in gone { retire(id, &effects) }
    releaseRetiring(&effects)
  }

  private mutating func add(_ endpoint: Endpoint, _ effects: inout PolicyEffects) -> Int {
    let subchannel = effects.subchannel(for: endpoint)
    if let detector { subchannel.judge(by: detector) }
    members[subchannel.id] = Member(subchannel: subchannel)
    effects.connect(subchannel.id)
    return subchannel.id
  }

  private mutating func retire(_ id: Int, _ effects: inout PolicyEffects) {
    guard let member = members.removeValue(forKey: id) else { return }
    if member.state == .ready { retiring[id] = member.subchannel } else { effects.remove(id) }
  }

  /// Once a wanted member is ready, the others are not needed.
  private mutating func releaseRetiring(_ effects: inout PolicyEffects) {
    guard !retiring.isEmpty, members.values.contains(where: { $0.state == .ready }) else { return }
    for id in retiring.keys { effects.remove(id) }
    retiring = [:]
  }

  mutating func changed(_ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects) {
    if retiring[id] != nil, state != .ready {
      retiring[id] = nil
      return effects.remove(id)
    }
    guard var member = members[id] else { return }
    member.state = state
    switch state {
    case .ready:
      member.isFailing = false
      member.error = nil
    case .transientFailure:
      member.isFailing = true
      member.error = error ?? member.error
    case .idle: effects.connect(id)
    case .connecting, .shutdown: break
    }
    members[id] = member
    releaseRetiring(&effects)
  }

  /// All that it has, in no order.
  var subchannels: [Subchannel] { members.values.map(\.subchannel) + retiring.values }

  /// The same subchannels with their weights; nil where these don't differ, which costs less to pick of.
  func weighted(_ subchannels: [Subchannel]) -> WeightedSubchannels? {
    let weights = subchannels.map { members[$0.id]?.weight ?? 1 }
    guard let first = weights.first, weights.contains(where: { $0 != first }) else { return nil }
    return WeightedSubchannels(subchannels, weights: weights.map(Double.init))
  }

  /// READY wins, of the lowest priority that has one (RFC 2782), without those of no weight unless there are no others; then CONNECTING (idle counts as it: every member is told to
  /// connect), then failure.
  var summary: Summary {
    let wanted = order.compactMap { members[$0] }
    let ready = wanted.filter { $0.state == .ready }
    if let first = ready.map(\.priority).min() {
      let wanted = ready.filter { $0.priority == first }
      let weighty = wanted.filter { $0.weight > 0 }
      return .ready((weighty.isEmpty ? wanted : weighty).map(\.subchannel))
    }
    if !retiring.isEmpty { return .ready(retiring.sorted { $0.key < $1.key }.map(\.value)) }
    if wanted.isEmpty { return .empty }
    if wanted.contains(where: { !$0.isFailing }) { return .connecting }
    let errors = wanted.prefix(8).map { member in
      let name = "\(member.subchannel.endpoint)"
      let text = member.error?.message ?? "no connection"
      // A dial's own error names each address.
      return text.hasPrefix("\(name): ") || text.contains(": ") && member.subchannel.endpoint.addresses.count > 1
        ? text : "\(name): \(text)"
    }
    let more = wanted.count > 8 ? " and \(wanted.count - 8) more" : ""
    return .failing(StatusError(.unavailable, "no server can be reached: \(errors.joined(separator: "; "))\(more)"))
  }
}
