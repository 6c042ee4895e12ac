import Synchronization
import Volery

/// Who offers which service, kept in this process; whoever watches a name hears of every change. In the place of this may
/// be any source of endpoints that tells of changes: a database, a message bus, a control plane.
final class Registry: Sendable {
  private struct Service: Sendable {
    var endpoints: [Endpoint] = []
    var watchers: [Int: AsyncStream<[Endpoint]>.Continuation] = [:]
  }

  private struct State: Sendable {
    var services: [String: Service] = [:]
    var nextWatcher = 0
  }

  private let state = Mutex(State())

  func register(_ endpoint: Endpoint, as name: String) { change(name) { $0.append(endpoint) } }

  func unregister(_ endpoint: Endpoint, from name: String) { change(name) { $0.removeAll { $0 == endpoint } } }

  private func change(_ name: String, _ edit: (inout [Endpoint]) -> Void) {
    state.withLock { state in
      edit(&state.services[name, default: Service()].endpoints)
      let service = state.services[name]!
      for watcher in service.watchers.values { watcher.yield(service.endpoints) }
    }
  }

  /// The endpoints now, then after each change; a slow reader gets the newest.
  func watch(_ name: String) -> AsyncStream<[Endpoint]> {
    let (stream, continuation) = AsyncStream.makeStream(of: [Endpoint].self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state in
      state.nextWatcher += 1
      continuation.yield(state.services[name]?.endpoints ?? [])
      state.services[name, default: Service()].watchers[state.nextWatcher] = continuation
      return state.nextWatcher
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.services[name]?.watchers[id] = nil }
    }
    return stream
  }
}
