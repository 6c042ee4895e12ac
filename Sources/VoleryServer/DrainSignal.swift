import Synchronization

/// Tells those who run for a server that it has begun to drain. Any thread.
final class DrainSignal: Sendable {
  private struct State {
    var hasBegun = false
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    var lastID = 0
    /// Cancelled before they had begun to wait.
    var cancelled: Set<Int> = []
  }

  private let state = Mutex(State())

  var hasBegun: Bool { state.withLock { $0.hasBegun } }

  /// May be called twice.
  func begin() {
    let waiters = state.withLock { state in
      state.hasBegun = true
      defer { state.waiters = [:] }
      return state.waiters.values.map { $0 }
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns once it has begun, or the waiting task is cancelled.
  func wait() async {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        let waits = state.withLock { state in
          guard !state.hasBegun, state.cancelled.remove(id) == nil else { return false }
          state.waiters[id] = waiter
          return true
        }
        if !waits { waiter.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let waiter = state.waiters.removeValue(forKey: id)
        if waiter == nil, !state.hasBegun { state.cancelled.insert(id) }
        return waiter
      }
      waiter?.resume()
    }
    _ = state.withLock { $0.cancelled.remove(id) }
  }
}
