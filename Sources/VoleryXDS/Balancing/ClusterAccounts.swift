import Synchronization
import VoleryClient

/// A cluster, and the name by which its endpoints are asked for: what is counted together (gRFC A32).
package struct ClusterKey: Hashable, Sendable {
  package let cluster: String
  package let service: String

  package init(cluster: String, service: String) {
    self.cluster = cluster
    self.service = service
  }
}

/// What is counted of clusters, over all channels of a client.
package final class ClusterAccounts: Sendable {
  /// Configurations, pickers and calls hold a counter; with the last of them it may go.
  private struct Held { weak var counter: CallCounter? }

  private struct State {
    var counters: [ClusterKey: Held] = [:]
    var loads: [ClusterKey: ClusterLoad] = [:]
    /// Who wait for the first of them.
    var waiting: [Int: AsyncStream<Never>.Continuation] = [:]
    var lastWaiter = 0
    var credentials: [ClusterKey: Brought] = [:]
  }

  /// As long as endpoints or connections have them.
  private struct Brought {
    weak var credentials: EndpointCredentials?
    let security: ClusterSecurity?
  }

  private let state = Mutex(State())
  /// Delays and ends that calls have been given (gRFC A33) and that are not over.
  let faults = CallCounter()

  package init() {}

  /// The calls that run to a cluster.
  func counter(of key: ClusterKey) -> CallCounter {
    state.withLock { state in
      if let counter = state.counters[key]?.counter { return counter }
      state.counters = state.counters.filter { $0.value.counter != nil }
      let counter = CallCounter()
      state.counters[key] = Held(counter: counter)
      return counter
    }
  }

  /// What is reported of a cluster's calls.
  func load(of key: ClusterKey, _ metrics: ReportedMetrics) -> ClusterLoad {
    state.withLock { state in
      if let load = state.loads[key] {
        load.report(metrics)
        return load
      }
      let load = ClusterLoad(key, metrics)
      state.loads[key] = load
      for waiter in state.waiting.values { waiter.finish() }
      state.waiting = [:]
      return load
    }
  }

  /// All of which load is reported, by their names.
  var loads: [ClusterLoad] { state.withLock { $0.loads.values.sorted { $0.key.cluster < $1.key.cluster } } }

  /// Forgets clusters that nobody counts any more and of which nothing is left to report.
  func forgetIdleLoads() {
    state.withLock { state in
      for key in Array(state.loads.keys) {
        guard var load = state.loads.removeValue(forKey: key) else { continue }
        if !isKnownUniquelyReferenced(&load) || !load.isIdle { state.loads[key] = load }
      }
    }
  }

  /// Suspends until there is one, or the task is cancelled.
  func untilLoadIsWanted() async {
    let (never, waiter) = AsyncStream.makeStream(of: Never.self)
    let id: Int? = state.withLock { state in
      guard state.loads.isEmpty else { return nil }
      state.lastWaiter += 1
      state.waiting[state.lastWaiter] = waiter
      return state.lastWaiter
    }
    guard let id else { return }
    for await _ in never {}
    state.withLock { _ = $0.waiting.removeValue(forKey: id) }
  }

  /// What protects the connections to a cluster. Nil: nothing was ever said of it.
  func credentials(of key: ClusterKey, _ security: ClusterSecurity?) -> EndpointCredentials? {
    state.withLock { state in
      let old = state.credentials[key]
      if let known = old?.credentials {
        if old?.security != security {
          known.set(security?.credentials)
          state.credentials[key] = Brought(credentials: known, security: security)
        }
        return known
      }
      state.credentials = state.credentials.filter { $0.value.credentials != nil }
      guard let security else { return nil }
      let credentials = EndpointCredentials()
      credentials.set(security.credentials)
      state.credentials[key] = Brought(credentials: credentials, security: security)
      return credentials
    }
  }
}
