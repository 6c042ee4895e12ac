import VoleryTypes

/// `sticky_session`: a call whose cookie names a server goes there, as long as that is ready and not ejected (what gRFC A55 has with a
/// control plane); all others go where the child wants. Servers that are to get no new sessions keep theirs: they have weight 0.
struct StickySessionPolicy: WrappingPolicy {
  var child: ChildPolicy
  private let cookie: SessionCookie
  private var ready: [Int: Subchannel] = [:]
  private var published: Set<Int> = []

  init(child: any LoadBalancingPolicy, cookie: SessionCookie) {
    self.child = ChildPolicy(child, name: "the child of sticky_session")
    self.cookie = cookie
  }

  mutating func subchannelsChanged(_ changes: [SubchannelChange], _ effects: inout PolicyEffects) {
    for change in changes { ready[change.id] = change.state == .ready ? child.subchannels[change.id] : nil }
    ask(&effects) { _ = $0.subchannelsChanged(changes, &$1) }
  }

  mutating func heard(_ effects: inout PolicyEffects) {
    ready = ready.filter { child.subchannels[$0.key] != nil }
    let ids = Set(ready.keys)
    guard child.takeNews() || ids != published else { return }
    published = ids
    effects.publish(
      child.state,
      ready.isEmpty ? child.picker : StickySessionPicker(child.picker, servers: Array(ready.values), cookie: cookie))
  }
}

/// The server that the call's cookie names, else whatever the other picker says.
final class StickySessionPicker: Picker {
  private let picker: any Picker
  private let servers: [String: Subchannel]
  private let cookie: SessionCookie

  init(_ picker: any Picker, servers: [Subchannel], cookie: SessionCookie) {
    self.picker = picker
    self.cookie = cookie
    let named = servers.flatMap { server in
      server.endpoint.addresses.map { (SessionCookie.value(for: $0), server) }
    }
    self.servers = Dictionary(named) { first, _ in first }
  }

  func pick(for call: PickRequest) -> PickResult {
    guard let value = cookie.value(in: call.metadata), let server = servers[value], !server.isEjected else {
      return picker.pick(for: call)
    }
    return .pick(server)
  }
}
