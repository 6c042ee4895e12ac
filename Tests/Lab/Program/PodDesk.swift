import Synchronization
import Volery

/// A pod of some capacity: works on so many calls at once, more wait for their turn. Knows how busy it has been lately, and says so
/// in load reports.
final class PodDesk: Sendable {
  private struct State {
    var busy = 0
    var waiting: [CheckedContinuation<Void, Never>] = []
    /// Of the time since the last report: the busy places' seconds, and the calls that have ended.
    var busySeconds = 0.0
    var ended = 0
    var changedAt = ContinuousClock.now

    mutating func advance() {
      let now = ContinuousClock.now
      busySeconds += Double(busy) * (changedAt.duration(to: now) / .seconds(1))
      changedAt = now
    }
  }

  let slots: Int
  let load = LoadRecorder()
  private let state = Mutex(State())

  init(slots: Int) { self.slots = slots }

  func begin() async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        guard state.busy < slots else {
          state.waiting.append(continuation)
          return false
        }
        state.advance()
        state.busy += 1
        return true
      }
      if isFree { continuation.resume() }
    }
  }

  func end() {
    let next: CheckedContinuation<Void, Never>? = state.withLock { state in
      state.advance()
      state.ended += 1
      if !state.waiting.isEmpty { return state.waiting.removeFirst() }
      state.busy -= 1
      return nil
    }
    next?.resume()
  }

  /// Measures every half second, until the task is cancelled.
  func measure() async {
    let interval = 0.5
    while (try? await Task.sleep(for: .seconds(interval))) != nil {
      let (busy, calls) = state.withLock { state in
        state.advance()
        defer {
          state.busySeconds = 0
          state.ended = 0
        }
        return (state.busySeconds, state.ended)
      }
      load.update { report in
        report.cpuUtilization = busy / interval / Double(slots)
        report.queriesPerSecond = Double(calls) / interval
      }
    }
  }
}
