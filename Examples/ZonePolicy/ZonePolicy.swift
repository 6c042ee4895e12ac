import Volery

/// A load balancing policy of one's own, from the public contracts alone: calls stay in this program's zone, and spill over
/// into others when the zone's servers are busier than others by more than `spillAbove` calls, or gone.
///
/// In a service config: `{"loadBalancingConfig": [{"zone": {"zone": "eu-1a", "spillAbove": 8}}]}`.
struct ZonePolicy: LoadBalancingPolicy {
  private struct Member {
    let subchannel: Subchannel
    let isLocal: Bool
    var state = ConnectivityState.idle
    var error: StatusError?
  }

  private let zone: String
  private let spillAbove: Int
  private let context: PolicyContext
  private var members: [Endpoint: Member] = [:]

  init(zone: String, spillAbove: Int, context: PolicyContext) {
    self.zone = zone
    self.spillAbove = spillAbove
    self.context = context
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    for (endpoint, member) in members where !endpoints.contains(endpoint) {
      effects.remove(member.subchannel.id)
      members[endpoint] = nil
    }
    for endpoint in endpoints where members[endpoint] == nil {
      let subchannel = effects.subchannel(for: endpoint)
      members[endpoint] = Member(subchannel: subchannel, isLocal: endpoint.attributes.zone == zone)
      effects.connect(subchannel.id)
    }
    publish(&effects)
    return !endpoints.isEmpty
  }

  mutating func subchannelChanged(
    _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
  ) {
    guard let endpoint = members.first(where: { $0.value.subchannel.id == id })?.key else { return }
    members[endpoint]?.state = state
    if state == .ready { members[endpoint]?.error = nil } else if let error { members[endpoint]?.error = error }
    // A subchannel never connects by itself, not even again.
    if state == .idle { effects.connect(id) }
    publish(&effects)
  }

  mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
    effects.publish(.transientFailure, FailingPicker(error: error))
  }

  private func publish(_ effects: inout PolicyEffects) {
    let ready = members.values.filter { $0.state == .ready }
    if !ready.isEmpty {
      let picker = ZonePicker(
        local: ready.filter(\.isLocal).map(\.subchannel), others: ready.filter { !$0.isLocal }.map(\.subchannel),
        spillAbove: spillAbove, random: context.random)
      effects.publish(.ready, picker)
    } else if members.isEmpty {
      effects.publish(.transientFailure, FailingPicker(error: StatusError(.unavailable, "the name has no addresses")))
    } else if members.values.contains(where: { $0.state != .transientFailure && $0.error == nil }) {
      effects.publish(.connecting, QueueingPicker())
    } else {
      let errors = members.map { "\($0.key): \($0.value.error?.message ?? "no connection")" }.sorted()
      effects.publish(
        .transientFailure,
        FailingPicker(error: StatusError(.unavailable, "no zone has a server: \(errors.joined(separator: "; "))")))
    }
  }
}

/// The less busy of two of the zone's own, unless one of another zone is less busy by far.
private struct ZonePicker: Picker {
  let local: [Subchannel]
  let others: [Subchannel]
  let spillAbove: Int
  let random: @Sendable () -> UInt64

  func pick(for call: PickRequest) -> PickResult {
    guard let near = lessBusy(of: local) else {
      return lessBusy(of: others).map { .pick($0) } ?? .queue
    }
    guard let far = lessBusy(of: others), near.isFull || near.isEjected || isFarBusier(near, than: far) else {
      return .pick(near)
    }
    return .pick(far)
  }

  private func isFarBusier(_ near: Subchannel, than far: Subchannel) -> Bool {
    near.outstandingCalls > far.outstandingCalls + spillAbove
  }

  private func lessBusy(of subchannels: [Subchannel]) -> Subchannel? {
    guard subchannels.count > 1 else { return subchannels.first }
    let first = Int(random() % UInt64(subchannels.count))
    let second = (first + 1 + Int(random() % UInt64(subchannels.count - 1))) % subchannels.count
    return [subchannels[first], subchannels[second]].min { $0.outstandingCalls < $1.outstandingCalls }
  }
}

struct ZonePolicyFactory: LoadBalancingPolicyFactory {
  let name = "zone"

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    guard case .string(let zone)? = configuration["zone"], !zone.isEmpty else {
      throw PolicyConfigurationError("zone: the member \"zone\" must be this program's zone, a string")
    }
    var spillAbove = 8
    if let value = configuration["spillAbove"] {
      guard case .number(let text) = value, let count = Int(text), count >= 0 else {
        throw PolicyConfigurationError("zone: spillAbove must be a number of calls, 0 or more")
      }
      spillAbove = count
    }
    return ZonePolicy(zone: zone, spillAbove: spillAbove, context: context)
  }
}
