import Foundation
import Synchronization
import Volery

/// How many calls each pod has answered, in all and in the last seconds, and what failed. Of bounded size, whatever the pods call
/// themselves.
final class CallBook: Sendable {
  /// What the page is told.
  struct Report: Encodable {
    struct Pod: Encodable {
      let name: String
      let calls: Int
      /// In the last `seconds`.
      let recent: Int
      /// The median of its last calls.
      let milliseconds: Double
      /// Since its last answer.
      let quietSeconds: Double
    }

    struct Failure: Encodable {
      let code: String
      let calls: Int
      /// The last one's.
      let message: String
    }

    let target: String
    let seconds: Int
    let pods: [Pod]
    let failures: [Failure]
  }

  private struct Pod {
    var calls = 0
    /// By the second, modulo `window`.
    var bySecond = [Int](repeating: 0, count: CallBook.window)
    var second = 0
    /// The last ones, one over the other.
    var latencies: [Duration] = []
    var last = ContinuousClock.now

    /// Empties the seconds that have passed.
    mutating func advance(to now: Int) {
      for step in 0..<min(max(0, now - second), CallBook.window) { bySecond[(now - step) % CallBook.window] = 0 }
      second = max(second, now)
    }
  }

  private struct State {
    var pods: [String: Pod] = [:]
    var failures: [StatusCode: (calls: Int, message: String)] = [:]
  }

  private static let window = 10
  private static let mostPods = 200
  private static let longestText = 200
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  func answered(by name: String, after latency: Duration) {
    let name = String(name.prefix(CallBook.longestText))
    let now = ContinuousClock.now
    let second = second(of: now)
    state.withLock { state in
      if state.pods[name] == nil, state.pods.count == CallBook.mostPods {
        // The one that has said nothing for longest.
        state.pods.min { $0.value.last < $1.value.last }.map { state.pods[$0.key] = nil }
      }
      var pod = state.pods[name] ?? Pod()
      pod.advance(to: second)
      pod.bySecond[second % CallBook.window] += 1
      if pod.latencies.count < 100 { pod.latencies.append(latency) } else { pod.latencies[pod.calls % 100] = latency }
      pod.calls += 1
      pod.last = now
      state.pods[name] = pod
    }
  }

  func failed(_ error: StatusError) {
    state.withLock { state in
      let calls = state.failures[error.code]?.calls ?? 0
      state.failures[error.code] = (calls + 1, String(error.message.prefix(CallBook.longestText)))
    }
  }

  func report(_ target: String) -> Report {
    let now = ContinuousClock.now
    let second = second(of: now)
    let (pods, failures) = state.withLock { ($0.pods, $0.failures) }
    return Report(
      target: target, seconds: CallBook.window,
      pods: pods.map { name, pod in
        var pod = pod
        pod.advance(to: second)
        let median = pod.latencies.sorted()[pod.latencies.count / 2]
        return Report.Pod(
          name: name, calls: pod.calls, recent: pod.bySecond.reduce(0, +), milliseconds: median / .milliseconds(1),
          quietSeconds: (now - pod.last) / .seconds(1))
      }.sorted { $0.name.compare($1.name, options: .numeric) == .orderedAscending },
      failures: failures.map { Report.Failure(code: "\($0.key)", calls: $0.value.calls, message: $0.value.message) }
        .sorted { $0.code < $1.code })
  }

  private func second(of now: ContinuousClock.Instant) -> Int { Int((now - start) / .seconds(1)) }
}
