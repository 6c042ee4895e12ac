import Synchronization
import VoleryTypes

/// What a server's reports say that it can bear, and since when (gRFC A58). Any thread: calls bring reports, the policy asks.
final class EndpointLoad: Sendable {
  typealias Instant = ContinuousClock.Instant

  private struct State {
    var weight = 0.0
    var lastReport: Instant?
    /// Nil: it has not reported since it is ready, or since its weight has expired.
    var reportsSince: Instant?
  }

  private let configuration: WeightedRoundRobinConfiguration
  private let now: @Sendable () -> Instant
  private let state = Mutex(State())

  init(_ configuration: WeightedRoundRobinConfiguration, now: @escaping @Sendable () -> Instant) {
    self.configuration = configuration
    self.now = now
  }

  /// A report that says nothing of what it can bear changes nothing.
  func heard(_ report: LoadReport) {
    let weight = configuration.weight(of: report)
    guard weight > 0 else { return }
    let now = now()
    state.withLock { state in
      state.weight = weight
      state.lastReport = now
      state.reportsSince = state.reportsSince ?? now
    }
  }

  /// There is a new connection: maybe to a server that has just started.
  func becameReady() { state.withLock { $0.reportsSince = nil } }

  /// 0: none that is to be used, not yet or not any more.
  var weight: Double {
    let now = now()
    return state.withLock { state in
      guard let last = state.lastReport else { return 0 }
      guard last.duration(to: now) < configuration.expirationPeriod else {
        state.reportsSince = nil
        return 0
      }
      guard let since = state.reportsSince else { return 0 }
      return since.duration(to: now) < configuration.blackoutPeriod ? 0 : state.weight
    }
  }
}
