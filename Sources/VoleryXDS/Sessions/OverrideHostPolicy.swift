import VoleryLoadBalancing
import VoleryTypes

/// `xds_override_host_experimental` (gRFC A55): a call whose session names a server goes there, if the cluster lets servers in its state
/// keep their sessions (`override_host_status`) and it can be reached; all others go where the child wants. The child sees no draining
/// servers: where these keep their sessions, so do their connections, and one that has none is connected when a session wants it.
struct OverrideHostPolicy: WrappingPolicy {
  static let name = "xds_override_host_experimental"

  var child: ChildPolicy
  private var states: Set<EndpointHealth>
  private var hosts = SessionHosts()

  init(_ states: Set<EndpointHealth>, child: any LoadBalancingPolicy) {
    self.states = states
    self.child = ChildPolicy(child, name: "the child of \(OverrideHostPolicy.name)")
    self.child.keepTurnover()
  }

  mutating func adopt(_ fresh: any LoadBalancingPolicy) -> Bool {
    guard let fresh = fresh as? OverrideHostPolicy, child.adopt(unused: fresh.child) else { return false }
    states = fresh.states
    return true
  }

  mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
    hosts.update(endpoints, keeping: states)
    let isUsable = child.update(endpoints.filter { $0.attributes.health != .draining }, &effects)
    takeTurnover(&effects)
    for endpoint in hosts.unserved { hosts.add(effects.subchannel(for: endpoint), isKept: true) }
    heard(&effects)
    return isUsable
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    for change in changes { hosts.changed(change) }
    ask(&effects) { _ = $0.subchannelsChanged(changes, &$1) }
  }

  private mutating func takeTurnover(_ effects: inout PolicyEffects) {
    let turnover = child.takeTurnover()
    for subchannel in turnover.made { hosts.add(subchannel) }
    for subchannel in turnover.givenUp where !hosts.keep(subchannel.id) { effects.remove(subchannel.id) }
  }

  mutating func heard(_ effects: inout PolicyEffects) {
    takeTurnover(&effects)
    for id in hosts.takeNeedless() { effects.remove(id) }
    let (childHasNews, hostsHaveNews) = (child.takeNews(), hosts.takeNews())
    guard childHasNews || hostsHaveNews else { return }
    effects.publish(
      child.state, OverrideHostPicker(child: child.picker, numbers: hosts.numbers, places: hosts.places))
  }
}

/// The server that the call's session names, else whatever the other picker says.
struct OverrideHostPicker: Picker {
  let child: any Picker
  let numbers: [SocketAddress: Int]
  let places: [SessionHosts.Place?]

  func pick(for call: PickRequest) -> PickResult {
    guard let session = call.attributes.session else { return child.pick(for: call) }
    let wanted = session.hosts.compactMap { address in numbers[address].flatMap { places[$0] } }
    if let ready = wanted.first(where: { $0.state == .ready }) { return telling(session, .pick(ready.subchannel)) }
    if let idle = wanted.first(where: { $0.state == .idle }) {
      idle.subchannel.requestConnection()
      return .queue
    }
    if !wanted.isEmpty { return .queue }
    return telling(session, child.pick(for: call))
  }

  /// Has the answer say where the call was.
  private func telling(_ session: SessionCall, _ result: PickResult) -> PickResult {
    var pick: Pick
    switch result {
    case .pick(let subchannel): pick = Pick(subchannel)
    case .attempt(let attempt): pick = attempt
    case .queue, .fail, .drop: return result
    }
    let (endpoint, answered) = (pick.subchannel.endpoint, pick.answered)
    pick.answered = { metadata in
      answered?(&metadata)
      session.answered(by: endpoint, &metadata)
    }
    return .attempt(pick)
  }
}

/// Makes the policy of this name; it stands in the configurations that clusters are made of.
struct OverrideHostFactory: LoadBalancingPolicyFactory {
  let name = OverrideHostPolicy.name
  private static let words: [String: EndpointHealth] = [
    "UNKNOWN": .unknown, "HEALTHY": .healthy, "DRAINING": .draining,
  ]

  static func json(_ states: Set<EndpointHealth>, over child: JSONValue) -> JSONValue {
    let kept = words.filter { states.contains($0.value) }.keys.sorted()
    return .object([
      OverrideHostPolicy.name: .object([
        "overrideHostStatus": .array(kept.map(JSONValue.string)), "childPolicy": .array([child]),
      ])
    ])
  }

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    let child = try context.registry.makeChild(configuration["childPolicy"], of: name, context: context)
    guard let given = configuration["overrideHostStatus"] else {
      return OverrideHostPolicy(EndpointHealth.keepsSessions, child: child)
    }
    guard case .array(let words) = given else {
      throw PolicyConfigurationError("\(name): overrideHostStatus is no list")
    }
    let states = try words.map { word in
      guard case .string(let text) = word, let state = OverrideHostFactory.words[text] else {
        throw PolicyConfigurationError("\(name): overrideHostStatus is none of UNKNOWN, HEALTHY and DRAINING")
      }
      return state
    }
    return OverrideHostPolicy(Set(states), child: child)
  }
}
