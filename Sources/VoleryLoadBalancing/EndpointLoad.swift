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

  /// What is to be made of it now.
  ///
  /// - Parameter subchannel: Its number.
  func weight(of subchannel: Int) -> EndpointWeight {
    let now = now()
    return state.withLock { state in
      func unused(_ standing: EndpointWeight.Standing) -> EndpointWeight {
        EndpointWeight(subchannel: subchannel, standing: standing, weight: 0)
      }
      guard let last = state.lastReport else { return unused(.notYetUsable) }
      guard last.duration(to: now) < configuration.expirationPeriod else {
        state.reportsSince = nil
        return unused(.stale)
      }
      guard let since = state.reportsSince, since.duration(to: now) >= configuration.blackoutPeriod else {
        return unused(.notYetUsable)
      }
      return EndpointWeight(subchannel: subchannel, standing: .usable, weight: state.weight)
    }
  }
}
