import Synchronization

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
      return load
    }
  }

  /// All of which load is reported. What nobody counts any more, and has nothing left to report, goes.
  var loads: [ClusterLoad] { state.withLock { $0.loads.values.sorted { $0.key.cluster < $1.key.cluster } } }

  func forget(_ load: ClusterLoad) { state.withLock { if $0.loads[load.key] === load { $0.loads[load.key] = nil } } }
}
