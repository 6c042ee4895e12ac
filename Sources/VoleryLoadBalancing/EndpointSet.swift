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
    private enum Addresses: Hashable {
      case one(SocketAddress)
      case several(Set<SocketAddress>)
    }

    private let addresses: Addresses
    private let serverName: String?
    private let cluster: String?

    init(_ endpoint: Endpoint, _ named: Named) {
      addresses = endpoint.addresses.count == 1 ? .one(endpoint.addresses[0]) : .several(Set(endpoint.addresses))
      serverName = named.serverName
      cluster = named.cluster
    }
  }

  /// What attributes say that counts here. Most endpoints share theirs.
  private struct Named {
    let attributes: Attributes
    let serverName: String?
    let cluster: String?
    let priority: UInt32
    let weight: UInt32

    init(_ attributes: Attributes) {
      self.attributes = attributes
      serverName = attributes.serverName
      cluster = attributes.cluster
      priority = attributes.priority ?? 0
      weight = attributes.weight ?? 1
    }
  }

  /// What the members add up to.
  enum Summary {
    case ready([Subchannel])
    case connecting
    case failing(StatusError)
    /// Nothing to connect to.
    case empty

    /// What calls fail with while none is ready; nil: they wait.
    fileprivate var failure: StatusError? {
      switch self {
      case .ready, .connecting: nil
      case .failing(let error): error
      case .empty: StatusError(.unavailable, "the name has no addresses")
      }
    }
  }

  /// What was published last, as long as none is ready.
  private enum Told: Equatable {
    case waits
    case fails(String)
  }

  private var members: [Int: Member] = [:]
  /// Of the members: so many are ready, and so many failing.
  private var readyCount = 0
  private var failingCount = 0
  /// False: all members weigh the same.
  private var weightsDiffer = false
  private var idOfEndpoint: [ServerKey: Int] = [:]
  /// Nil: nobody looks for slow ones.
  private let detector: SlownessDetector?
  /// In the resolver's order.
  private var order: [Int] = []
  /// Not wanted any more, but ready, and nothing else is.
  private var retiring: [Int: Subchannel] = [:]
  private var told: Told?

  init(detector: SlownessDetector? = nil) { self.detector = detector }

  /// Takes over the resolver's list.
  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) {
    var wanted: [Int] = []
    var kept: [ServerKey: Int] = [:]
    wanted.reserveCapacity(endpoints.count)
    kept.reserveCapacity(endpoints.count)
    var named = Named(Attributes())
    var weights: Set<UInt32> = []
    for endpoint in endpoints {
      if !endpoint.attributes.isIdentical(to: named.attributes) { named = Named(endpoint.attributes) }
      if weights.count < 2 { weights.insert(named.weight) }
      let key = ServerKey(endpoint, named)
      guard kept[key] == nil else { continue }
      let id = idOfEndpoint[key] ?? add(endpoint, &effects)
      if let member = members[id], member.priority != named.priority || member.weight != named.weight {
        members[id]?.priority = named.priority
        members[id]?.weight = named.weight
      }
      kept[key] = id
      wanted.append(id)
    }
    let gone = wanted == order ? [] : Set(order).subtracting(wanted)
    order = wanted
    idOfEndpoint = kept
    weightsDiffer = weights.count > 1
    for id in gone { retire(id, &effects) }
    releaseRetiring(&effects)
    told = nil
  }

  /// Tells what becomes of calls while none is ready. Once: to say it again would wake those that wait, each time that one of many
  /// servers changes its state.
  mutating func publishNone(_ summary: Summary, _ effects: inout PolicyEffects) {
    let failure = summary.failure
    let new = failure.map { Told.fails($0.message) } ?? .waits
    guard new != told else { return }
    told = new
    if let failure {
      effects.publish(.transientFailure, FailingPicker(error: failure))
    } else {
      effects.publish(.connecting, QueueingPicker())
    }
  }

  /// Something else was published.
  mutating func forgetTold() { told = nil }

  private mutating func add(_ endpoint: Endpoint, _ effects: inout PolicyEffects) -> Int {
    let subchannel = effects.subchannel(for: endpoint)
    if let detector { subchannel.judge(by: detector) }
    members[subchannel.id] = Member(subchannel: subchannel)
    effects.connect(subchannel.id)
    return subchannel.id
  }

  private mutating func retire(_ id: Int, _ effects: inout PolicyEffects) {
    guard let member = members.removeValue(forKey: id) else { return }
    count(member, -1)
    if member.state == .ready { retiring[id] = member.subchannel } else { effects.remove(id) }
  }

  private mutating func count(_ member: Member, _ number: Int) {
    if member.state == .ready { readyCount += number }
    if member.isFailing { failingCount += number }
  }

  /// Once a wanted member is ready, the others are not needed.
  private mutating func releaseRetiring(_ effects: inout PolicyEffects) {
    guard !retiring.isEmpty, readyCount > 0 else { return }
    for id in retiring.keys { effects.remove(id) }
    retiring = [:]
  }

  /// Whether others are ready now. How long it takes does not depend on how many members there are.
  mutating func changed(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) -> Bool {
    var isReadyChanged = false
    for change in changes where changed(change, &effects) { isReadyChanged = true }
    releaseRetiring(&effects)
    return isReadyChanged
  }

  private mutating func changed(_ change: SubchannelChange, _ effects: inout PolicyEffects) -> Bool {
    if retiring[change.id] != nil, change.state != .ready {
      retiring[change.id] = nil
      effects.remove(change.id)
      return true
    }
    guard var member = members[change.id] else { return false }
    count(member, -1)
    let wasReady = member.state == .ready
    member.state = change.state
    switch change.state {
    case .ready:
      member.isFailing = false
      member.error = nil
    case .transientFailure:
      member.isFailing = true
      member.error = change.error ?? member.error
    case .idle: effects.connect(change.id)
    case .connecting, .shutdown: break
    }
    count(member, 1)
    members[change.id] = member
    return wasReady != (change.state == .ready)
  }

  /// All that it has, in no order.
  var subchannels: [Subchannel] { members.values.map(\.subchannel) + retiring.values }

  /// The same subchannels with their weights; nil where these don't differ, which costs less to pick of.
  func weighted(_ subchannels: [Subchannel]) -> WeightedSubchannels? {
    guard weightsDiffer else { return nil }
    let weights = subchannels.map { members[$0.id]?.weight ?? 1 }
    guard let first = weights.first, weights.contains(where: { $0 != first }) else { return nil }
    return WeightedSubchannels(subchannels, weights: weights.map(Double.init))
  }

  /// READY wins, of the lowest priority that has one (RFC 2782), without those of no weight unless there are no others; then CONNECTING (idle counts as it: every member is told to
  /// connect), then failure.
  var summary: Summary {
    if readyCount > 0 {
      let ready = order.compactMap { id in members[id].flatMap { $0.state == .ready ? $0 : nil } }
      let first = ready.reduce(UInt32.max) { min($0, $1.priority) }
      let wanted = ready.filter { $0.priority == first }
      let weighty = wanted.filter { $0.weight > 0 }
      return .ready((weighty.isEmpty ? wanted : weighty).map { $0.subchannel })
    }
    if !retiring.isEmpty { return .ready(retiring.sorted { $0.key < $1.key }.map(\.value)) }
    if members.isEmpty { return .empty }
    if failingCount < members.count { return .connecting }
    let errors = order.prefix(8).compactMap { members[$0] }.map { member in
      let name = "\(member.subchannel.endpoint)"
      let text = member.error?.message ?? "no connection"
      // A dial's own error names each address.
      return text.hasPrefix("\(name): ") || text.contains(": ") && member.subchannel.endpoint.addresses.count > 1
        ? text : "\(name): \(text)"
    }
    let more = members.count > 8 ? " and \(members.count - 8) more" : ""
    return .failing(StatusError(.unavailable, "no server can be reached: \(errors.joined(separator: "; "))\(more)"))
  }
}
