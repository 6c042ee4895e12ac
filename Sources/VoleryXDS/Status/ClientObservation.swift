import Synchronization
import VoleryObservation

/// What observers hear of a client and its control planes (gRFC A78): by the targets of the channels that want something. Any thread;
/// observers hear one thing at a time, in order, and no lock is held meanwhile.
final class ClientObservation: Sendable {
  /// What a stream tells.
  enum Report: Sendable {
    case connection(server: String, works: Bool)
    case serverLeft(server: String)
    case received(server: String, type: XDSResourceType, valid: Int, invalid: Int)
    case resources([ResourceKey: ControlPlaneResources.State])
  }

  private struct Watcher {
    let target: String
    let keys: Set<ResourceKey>
  }

  private struct Telling {
    let event: ControlPlaneEvent
    let target: String
  }

  private struct State {
    var watchers: [Int: Watcher] = [:]
    var works: [[XDSServer]: [String: Bool]] = [:]
    var known: [[XDSServer]: [ResourceKey: ControlPlaneResources.State]] = [:]
    /// Of each target, what was told last.
    var servers: [String: [String: Bool]] = [:]
    var counts: [String: [ControlPlaneResources: Int]] = [:]
    var queue: [Telling] = []
    var isTelling = false
  }

  private let observer: any Observer
  private let bootstrap: XDSBootstrap
  private let state = Mutex(State())

  init(_ observer: any Observer, _ bootstrap: XDSBootstrap) {
    self.observer = observer
    self.bootstrap = bootstrap
  }

  /// What the channel with this number wants; nothing: it is gone.
  func wants(_ keys: Set<ResourceKey>, by id: Int, target: String) {
    change { state in
      state.watchers[id] = keys.isEmpty ? nil : Watcher(target: target, keys: keys)
      settle(&state, leaving: target)
    }
  }

  func heard(_ report: Report, from servers: [XDSServer]) {
    change { state in
      switch report {
      case .connection(let server, let works): state.works[servers, default: [:]][server] = works
      case .serverLeft(let server): state.works[servers]?[server] = nil
      case .resources(let known): state.known[servers] = known
      case .received(let server, let type, let valid, let invalid):
        let event = ControlPlaneEvent.received(server: server, type: type.typeName, valid: valid, invalid: invalid)
        for target in targets(of: servers, state) { state.queue.append(Telling(event: event, target: target)) }
      }
      settle(&state)
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let isTelling = state.withLock { state in
      body(&state)
      defer { state.isTelling = true }
      return state.isTelling
    }
    guard !isTelling else { return }
    while let telling = next() { observer.happened(telling.event, of: telling.target) }
  }

  private func next() -> Telling? {
    state.withLock { state in
      guard state.queue.isEmpty else { return state.queue.removeFirst() }
      state.isTelling = false
      return nil
    }
  }

  private func targets(of servers: [XDSServer], _ state: State) -> Set<String> {
    Set(
      state.watchers.values.filter { watcher in
        watcher.keys.contains { bootstrap.servers(for: $0.name) == servers }
      }.map(\.target))
  }

  /// What has changed for each target is told.
  private func settle(_ state: inout State, leaving: String? = nil) {
    for target in Set(state.watchers.values.map(\.target)).union(leaving.map { [$0] } ?? []) {
      let keys = state.watchers.values.reduce(into: Set<ResourceKey>()) {
        if $1.target == target { $0.formUnion($1.keys) }
      }
      var servers: [String: Bool] = [:]
      var counts: [ControlPlaneResources: Int] = [:]
      for key in keys {
        guard let asked = bootstrap.servers(for: key.name) else { continue }
        servers.merge(state.works[asked] ?? [:]) { $0 && $1 }
        let resources = ControlPlaneResources(
          type: key.type.typeName, authority: ResourceName.authority(of: key.name) ?? "#old",
          state: state.known[asked]?[key] ?? .requested)
        counts[resources, default: 0] += 1
      }
      tell(target, servers, counts, &state)
    }
  }

  private func tell(
    _ target: String, _ servers: [String: Bool], _ counts: [ControlPlaneResources: Int], _ state: inout State
  ) {
    let before = state.servers[target] ?? [:]
    var events: [ControlPlaneEvent] = []
    for (server, works) in servers.sorted(by: { $0.key < $1.key }) where before[server] != works {
      if before[server] == true { events.append(.serverFailed(server: server)) }
      events.append(.connection(server: server, works: works))
    }
    for server in before.keys.sorted() where servers[server] == nil { events.append(.serverLeft(server: server)) }
    if counts != state.counts[target] ?? [:] { events.append(.resources(counts)) }
    state.servers[target] = servers.isEmpty ? nil : servers
    state.counts[target] = counts.isEmpty ? nil : counts
    state.queue += events.map { Telling(event: $0, target: target) }
  }
}
