import Synchronization
import VoleryTypes

/// `zone_aware`: calls stay in the client's own zone as far as its servers can carry them; what is above that goes to the other
/// zones' servers in proportion (`ZoneSplit`). Two children, one for each side, of which each sees to its own servers.
struct ZoneAwarePolicy: ParentPolicy {
  enum Side: Hashable { case own, others }

  struct Configuration: Hashable {
    /// Nil: nobody has said; all servers are alike then.
    let zone: String?
    let tolerance: Double
    let clientShare: Double?
    let child: ChildConfiguration
  }

  private let configuration: Configuration
  private let context: PolicyContext
  var children = PolicyChildren<Side>()
  /// Ready subchannels, and what they weigh.
  private var ready: [Int: Double] = [:]
  private var zones = 1
  private var published: Double?

  init(_ configuration: Configuration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  // MARK: What happens

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    let own = endpoints.filter(isOwn)
    let others = endpoints.filter { !isOwn($0) }
    // One whose zone nobody has said is in one of its own.
    zones = Set(others.map { $0.attributes.zone ?? "" }).count + 1
    give(own, to: .own, isLast: others.isEmpty, &effects)
    give(others, to: .others, isLast: own.isEmpty && !endpoints.isEmpty, &effects)
    if children.isEmpty { give([], to: .others, isLast: true, &effects) }
    settle(isForced: true, &effects)
    return !endpoints.isEmpty
  }

  private func isOwn(_ endpoint: Endpoint) -> Bool {
    configuration.zone == nil || endpoint.attributes.zone == configuration.zone
  }

  /// A side that has no servers any more is given up once the other one can serve.
  private mutating func give(_ endpoints: [Endpoint], to side: Side, isLast: Bool, _ effects: inout PolicyEffects) {
    guard !endpoints.isEmpty || children[side] != nil || side == .others && isLast else { return }
    if children[side] == nil {
      let policy = configuration.child.makePolicy(context)
      children.add(policy, name: side == .own ? "own zone" : "other zones", for: side, &effects)
    }
    if endpoints.isEmpty, !children.isEmpty { emptied.insert(side) } else { emptied.remove(side) }
    if !endpoints.isEmpty { children.with(side) { $0.update(endpoints, &effects) } }
  }

  /// Sides whose servers are all gone from the list, and serve on until the other one is ready.
  private var emptied: Set<Side> = []

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    guard children.subchannelsChanged(changes, &effects) else { return }
    let (own, others) = (children[.own]?.subchannels ?? [:], children[.others]?.subchannels ?? [:])
    var isOther = false
    for change in changes {
      let subchannel = own[change.id] ?? others[change.id]
      let weight = change.state == .ready ? subchannel.map { Double($0.endpoint.attributes.weight ?? 1) } : nil
      if ready[change.id] != weight { isOther = true }
      ready[change.id] = weight
    }
    settle(isForced: isOther, &effects)
  }

  // MARK: What they add up to

  private func capacity() -> ZoneSplit.Capacity {
    func sum(_ side: Side) -> Double {
      (children[side]?.subchannels.keys).map { $0.reduce(0) { $0 + (ready[$1] ?? 0) } } ?? 0
    }
    return ZoneSplit.Capacity(own: sum(.own), others: sum(.others), zones: zones)
  }

  mutating func heard(_ effects: inout PolicyEffects) { settle(&effects) }

  private mutating func settle(isForced: Bool = false, _ effects: inout PolicyEffects) {
    for side in emptied where children[side == .own ? .others : .own]?.state == .ready {
      children.remove(side, &effects)
      emptied.remove(side)
    }
    ready = ready.filter { id, _ in
      children[.own]?.subchannels[id] != nil || children[.others]?.subchannels[id] != nil
    }
    let news = children.takeNews()
    guard isForced || !news.isEmpty else { return }
    let states = [Side.own, .others].compactMap { children[$0] }
    guard let own = children[.own], own.state == .ready, let others = children[.others], others.state == .ready else {
      // At most one of the two can serve.
      let best = [ConnectivityState.ready, .connecting, .idle].lazy.compactMap { state in
        states.first { $0.state == state }
      }.first
      published = nil
      if let best = best ?? states.first { effects.publish(best.state, best.picker) }
      return
    }
    let part = ZoneSplit.localPart(
      of: capacity(), tolerance: configuration.tolerance, clientShare: configuration.clientShare)
    guard part != published || !news.isEmpty else { return }
    published = part
    effects.publish(
      .ready,
      part >= 1
        ? own.picker : ZonePicker(own: own.picker, others: others.picker, localPart: part, seed: context.random()))
  }
}

/// So many calls to one picker and the rest to the other, evenly between each other.
final class ZonePicker: Picker {
  private let own: any Picker
  private let others: any Picker
  private let localPart: Double
  /// In steps of 2^-64 around a circle.
  private let turn: Atomic<UInt64>

  init(own: any Picker, others: any Picker, localPart: Double, seed: UInt64) {
    self.own = own
    self.others = others
    self.localPart = localPart
    turn = Atomic(seed)
  }

  func pick(for call: PickRequest) -> PickResult {
    // The golden ratio's multiples fill the circle evenly: shares are exact after few calls.
    let place = turn.wrappingAdd(0x9e37_79b9_7f4a_7c15, ordering: .relaxed).oldValue
    return (Double(place >> 11) * 0x1p-53 < localPart ? own : others).pick(for: call)
  }
}
