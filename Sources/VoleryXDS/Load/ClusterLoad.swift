import Synchronization

/// The calls of all channels of a client to one cluster, by locality, and those that were dropped, since they were last reported
/// (gRFC A64). Any thread.
package final class ClusterLoad: Sendable {
  package let key: ClusterKey

  private struct State {
    var localities: [XDSLocality: LocalityLoad] = [:]
    var drops: [String: UInt64] = [:]
    var limited: UInt64 = 0
    var metrics: ReportedMetrics
    var since: ContinuousClock.Instant
  }

  /// What there is to report.
  struct Snapshot {
    var localities: [(place: XDSLocality, load: LocalityLoad.Snapshot)]
    /// By category.
    var drops: [(category: String, count: UInt64)]
    /// With those that a circuit breaker has ended.
    var dropped: UInt64
    var interval: Duration
  }

  private let state: Mutex<State>
  private static let maxLocalities = 1000

  package init(_ key: ClusterKey, _ metrics: ReportedMetrics, now: ContinuousClock.Instant = .now) {
    self.key = key
    state = Mutex(State(metrics: metrics, since: now))
  }

  /// Nothing to report, and no call that runs was there at the last report.
  var isIdle: Bool { state.withLock { $0.localities.isEmpty && $0.drops.isEmpty && $0.limited == 0 } }

  /// Which of the servers' metrics count from now on.
  func report(_ metrics: ReportedMetrics) {
    state.withLock { state in
      guard state.metrics != metrics else { return }
      state.metrics = metrics
      for load in state.localities.values { load.report(metrics) }
    }
  }

  /// - Parameter category: Nil: by the circuit breaker, which has none.
  func dropped(_ category: String?) {
    state.withLock { state in
      if let category { state.drops[category, default: 0] += 1 } else { state.limited += 1 }
    }
  }

  /// - Parameter place: Nil: nobody has said.
  func locality(_ place: XDSLocality?) -> LocalityLoad? {
    let place = place ?? XDSLocality()
    return state.withLock { state in
      if let load = state.localities[place] { return load }
      guard state.localities.count < ClusterLoad.maxLocalities else { return nil }
      let load = LocalityLoad(state.metrics)
      state.localities[place] = load
      return load
    }
  }

  /// Begins anew; localities to which no call runs are forgotten.
  func take(now: ContinuousClock.Instant) -> Snapshot {
    state.withLock { state in
      var localities: [(place: XDSLocality, load: LocalityLoad.Snapshot)] = []
      for (place, counts) in state.localities {
        let load = counts.take()
        if load.isEmpty { state.localities[place] = nil } else { localities.append((place, load)) }
      }
      localities.sort {
        ($0.place.region, $0.place.zone, $0.place.subZone) < ($1.place.region, $1.place.zone, $1.place.subZone)
      }
      let snapshot = Snapshot(
        localities: localities, drops: state.drops.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
        dropped: state.drops.values.reduce(state.limited, +), interval: state.since.duration(to: now))
      state.drops = [:]
      state.limited = 0
      state.since = now
      return snapshot
    }
  }
}
