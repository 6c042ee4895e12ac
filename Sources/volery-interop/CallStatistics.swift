import Synchronization
import Volery

/// The calls of a client that load balancing is tested with, in all and of those who have asked for the next ones: what
/// `LoadBalancerStatsService` answers with. Any thread.
final class CallStatistics: Sendable {
  /// How a call has ended.
  struct Outcome: Sendable {
    var code: StatusCode
    /// The server's host name, as it has told it; nil: it has not.
    var peer: String?
    var initialMetadata = Metadata()
    var trailingMetadata = Metadata()
  }

  /// Who waits for the next calls.
  fileprivate struct Watcher: Sendable {
    /// Numbers of calls.
    var wanted: Range<Int>
    var metadataKeys: Set<String>
    /// Of them, those that have not ended.
    var missing: Int
    var response = LoadBalancerStatsResponse()
    var metadataCount = 0
    let done: CheckedContinuation<LoadBalancerStatsResponse, Never>
  }

  private struct State: Sendable {
    var startedCount = 0
    var methods: [TestMethod: LoadBalancerAccumulatedStatsResponse.MethodStats] = [:]
    var watchers: [Int: Watcher] = [:]
    var nextWatcher = 0
  }

  /// What a call ends with that succeeds.
  let expected: StatusCode
  private let state = Mutex(State())

  /// Of one answer.
  private static let maxCalls = 1_000_000
  fileprivate static let maxMetadata = 100_000
  private static let maxWatchers = 100

  init(expected: StatusCode) { self.expected = expected }

  // MARK: Calls

  /// - Returns: The call's number, for `ended`.
  func started(_ method: TestMethod) -> Int {
    state.withLock { state in
      defer { state.startedCount += 1 }
      state.methods[method, default: .init()].rpcsStarted.count()
      return state.startedCount
    }
  }

  func ended(_ number: Int, _ method: TestMethod, _ outcome: Outcome) {
    state.withLock { state in
      state.methods[method, default: .init()].result[Int32(outcome.code.rawValue), default: 0].count()
      for id in Array(state.watchers.keys) where state.watchers[id]?.wanted.contains(number) == true {
        state.watchers[id]?.count(method, outcome)
        guard let watcher = state.watchers[id], watcher.missing == 0 else { continue }
        state.watchers[id] = nil
        watcher.done.resume(returning: watcher.response)
      }
    }
  }

  // MARK: Answers

  /// Where the next `count` calls go that are started from now on, or those of them that have ended in time.
  ///
  /// - Parameter counting: Told once calls count.
  /// - Throws: `StatusError` for a count or a time that is not above 0, and when too many ask at once.
  func next(
    _ count: Int, within limit: Duration, metadataKeys: [String], counting: () -> Void
  ) async throws -> LoadBalancerStatsResponse {
    guard (1...CallStatistics.maxCalls).contains(count), limit > .zero else {
      throw StatusError(.invalidArgument, "num_rpcs is 1 to \(CallStatistics.maxCalls), timeout_sec above 0")
    }
    let id = try state.withLock { state in
      guard state.watchers.count < CallStatistics.maxWatchers else {
        throw StatusError(.resourceExhausted, "too many ask at once")
      }
      defer { state.nextWatcher += 1 }
      return state.nextWatcher
    }
    let end = ContinuousClock.now.advanced(by: limit)
    let clock = Task {
      try? await Task.sleep(until: end, clock: .continuous)
      giveUp(id)
    }
    defer { clock.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        state.withLock { state in
          state.watchers[id] = Watcher(
            wanted: state.startedCount..<(state.startedCount + count),
            metadataKeys: Set(metadataKeys.map { $0.lowercased() }), missing: count, done: continuation)
        }
        counting()
        // Both may have come before there was anything to give up.
        if Task.isCancelled || .now >= end { giveUp(id) }
      }
    } onCancel: {
      giveUp(id)
    }
  }

  /// What has not ended has failed.
  private func giveUp(_ id: Int) {
    guard var watcher = state.withLock({ $0.watchers.removeValue(forKey: id) }) else { return }
    watcher.response.numFailures = Int32(clamping: Int(watcher.response.numFailures) + watcher.missing)
    watcher.done.resume(returning: watcher.response)
  }

  var accumulated: LoadBalancerAccumulatedStatsResponse {
    let methods = state.withLock { $0.methods }
    var response = LoadBalancerAccumulatedStatsResponse()
    for (method, stats) in methods {
      let name = method.typeName
      let ended = stats.result.values.reduce(0) { $0 + Int($1) }
      let succeeded = Int(stats.result[Int32(expected.rawValue)] ?? 0)
      response.numRpcsStartedByMethod[name] = stats.rpcsStarted
      response.numRpcsSucceededByMethod[name] = Int32(clamping: succeeded)
      response.numRpcsFailedByMethod[name] = Int32(clamping: ended - succeeded)
      response.statsPerMethod[name] = stats
    }
    return response
  }
}

extension CallStatistics.Watcher {
  fileprivate mutating func count(_ method: TestMethod, _ outcome: CallStatistics.Outcome) {
    missing -= 1
    guard outcome.code == .ok, let peer = outcome.peer else {
      response.numFailures.count()
      return
    }
    response.rpcsByPeer[peer, default: 0].count()
    response.rpcsByMethod[method.rawValue, default: .init()].rpcsByPeer[peer, default: 0].count()
    guard !metadataKeys.isEmpty, metadataCount < CallStatistics.maxMetadata else { return }
    let told = entries(outcome.initialMetadata, .initial) + entries(outcome.trailingMetadata, .trailing)
    metadataCount += told.count
    response.metadatasByPeer[peer, default: .init()].rpcMetadata.append(.init(metadata: told))
  }

  private func entries(
    _ metadata: Metadata, _ type: LoadBalancerStatsResponse.MetadataType
  ) -> [LoadBalancerStatsResponse.MetadataEntry] {
    metadata.compactMap { element in
      guard case .text(let value) = element.value, metadataKeys.contains("*") || metadataKeys.contains(element.key)
      else { return nil }
      return .init(key: element.key, value: value, type: type)
    }
  }
}

extension Int32 {
  /// One more, where there is one.
  fileprivate mutating func count() { self = Int32(clamping: Int64(self) + 1) }
}
