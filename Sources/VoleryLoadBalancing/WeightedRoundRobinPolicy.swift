import VoleryTypes

/// `weighted_round_robin` (gRFC A58, A114): round robin with shares by what servers report of themselves: calls a second over how
/// busy these make them. Reports come with calls, or by themselves.
///
/// A server whose reports don't count yet, or any more, gets as much as the others on average. While fewer than two have reports that
/// count, shares are by the weights that the resolver has given, which are equal as a rule.
struct WeightedRoundRobinPolicy: LoadBalancingPolicy {
  private struct Member {
    let load: EndpointLoad
    /// What a picker says of it.
    let result: PickResult
  }

  private static let updateToken = 1

  private let configuration: WeightedRoundRobinConfiguration
  private let context: PolicyContext
  private var set = EndpointSet()
  private var members: [Int: Member] = [:]
  /// The picker that was published last: its subchannels with their weights, and where in its turns it is. Nil while calls wait or
  /// fail.
  private var ring: [Int: UInt16]?
  private var stride: StaticStride?
  private var isUpdating = false

  init(_ configuration: WeightedRoundRobinConfiguration, context: PolicyContext) {
    self.configuration = configuration
    self.context = context
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    set.update(endpoints, &effects)
    let subchannels = set.subchannels
    let ids = Set(subchannels.map(\.id))
    for id in members.keys where !ids.contains(id) { members[id] = nil }
    for subchannel in subchannels where members[subchannel.id] == nil { add(subchannel, &effects) }
    publish(&effects)
    return !endpoints.isEmpty
  }

  private mutating func add(_ subchannel: Subchannel, _ effects: inout PolicyEffects) {
    let load = EndpointLoad(configuration, now: context.now)
    if configuration.usesOutOfBandReports {
      effects.watchLoad(of: subchannel.id, every: configuration.reportInterval) { load.heard($0) }
      members[subchannel.id] = Member(load: load, result: .pick(subchannel))
    } else {
      let pick = Pick(subchannel) { end in if let report = end.loadReport { load.heard(report) } }
      members[subchannel.id] = Member(load: load, result: .attempt(pick))
    }
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    subchannelsChanged([SubchannelChange(id, to: state, error: error)], &effects)
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    for change in changes where change.state == .ready { members[change.id]?.load.becameReady() }
    if set.changed(changes, &effects) || ring == nil { publish(&effects) }
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    ring = nil
    set.forgetTold()
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) {
    isUpdating = false
    if ring != nil { publish(&effects) }
  }

  private mutating func publish(_ effects: inout PolicyEffects) {
    let summary = set.summary
    guard case .ready(let subchannels) = summary else {
      ring = nil
      return set.publishNone(summary, &effects)
    }
    set.forgetTold()
    if !isUpdating {
      isUpdating = true
      effects.startTimer(token: WeightedRoundRobinPolicy.updateToken, after: configuration.updatePeriod)
    }
    let reported = subchannels.map { subchannel in
      members[subchannel.id]?.load.weight(of: subchannel.id)
        ?? EndpointWeight(subchannel: subchannel.id, standing: .notYetUsable, weight: 0)
    }
    effects.append(.tellWeights(reported))
    let weights = weights(of: subchannels, reported.map(\.weight))
    let new = Dictionary(zip(subchannels.map(\.id), weights)) { $1 }
    guard new != ring else { return }
    // With other weights it goes on where it was; other servers begin somewhere else.
    let isSameSet = ring.map { Set($0.keys) == Set(new.keys) } ?? false
    let start = isSameSet ? stride?.position : nil
    let stride = StaticStride(weights, start: start ?? context.random() & 0xffff_ffff)
    ring = new
    self.stride = stride
    let results = subchannels.map { members[$0.id]?.result ?? .pick($0) }
    effects.publish(.ready, WeightedRoundRobinPicker(subchannels, results: results, stride: stride))
  }

  /// - Parameter reported: Of each; 0: its reports don't count.
  private func weights(of subchannels: [Subchannel], _ reported: [Double]) -> [UInt16] {
    let counting = reported.filter { $0 > 0 }
    guard counting.count >= 2 else {
      return set.weighted(subchannels)?.weights ?? StaticStride.scaled(subchannels.map { _ in 1 })
    }
    let mean = counting.reduce(0, +) / Double(counting.count)
    return StaticStride.scaled(reported.map { $0 > 0 ? $0 : mean })
  }
}
