import Synchronization
import VoleryObservation
import VoleryTypes

/// Keeps a channel's retries from making an overload worse: the tokens of gRFC A6 where the service config has them, and
/// besides a budget in proportion to the calls. Any thread.
package final class RetryThrottle: Sendable {
  /// Retries that may be saved up, and how many each call and each second earn.
  private static let capacity = 50.0
  private static let perCall = 0.15
  private static let perSecond = 10.0

  private struct State {
    var tokens = 0.0
    var configuration: ServiceConfig.RetryThrottling?
    var budget = RetryThrottle.capacity
    /// Calls that have earned their part of the budget.
    var countedCalls = 0
    var updatedAt = Moment.now
  }

  private let calls = Atomic<Int>(0)
  private let state = Mutex(State())

  package init() {}

  /// Takes over what the service config says; the tokens start anew when that has changed.
  func configure(_ configuration: ServiceConfig.RetryThrottling?) {
    state.withLock { state in
      guard state.configuration != configuration else { return }
      state.configuration = configuration
      state.tokens = configuration?.maxTokens ?? 0
    }
  }

  /// Each call's; the lock is only for those that fail.
  func callStarted() { calls.add(1, ordering: .relaxed) }

  func attemptSucceeded() {
    state.withLock { state in
      guard let configuration = state.configuration else { return }
      state.tokens = min(configuration.maxTokens, state.tokens + configuration.tokenRatio)
    }
  }

  func attemptFailed() {
    state.withLock { $0.tokens = max(0, $0.tokens - 1) }
  }

  /// Whether another hedged attempt may be made now: only the service config's tokens count, since it is the service config
  /// that wants several attempts of each call.
  var mayHedge: Bool {
    state.withLock { state in state.configuration.map { state.tokens > $0.maxTokens / 2 } ?? true }
  }

  /// For observers.
  var left: RetryBudget {
    state.withLock { state in
      earn(&state)
      return RetryBudget(retries: state.budget, tokens: state.configuration.map { _ in state.tokens })
    }
  }

  private func earn(_ state: inout State) {
    let now = Moment.now
    let earned = state.updatedAt.duration(to: now) / .seconds(1) * RetryThrottle.perSecond
    let calls = calls.load(ordering: .relaxed)
    let earnedByCalls = Double(calls - state.countedCalls) * RetryThrottle.perCall
    state.budget = min(RetryThrottle.capacity, state.budget + earned + earnedByCalls)
    state.countedCalls = calls
    state.updatedAt = now
  }

  /// Whether a retry may be made now; it is counted.
  func takeRetry() -> Bool {
    state.withLock { state in
      if let configuration = state.configuration, state.tokens <= configuration.maxTokens / 2 { return false }
      earn(&state)
      guard state.budget >= 1 else { return false }
      state.budget -= 1
      return true
    }
  }
}
