import Synchronization
import VoleryTypes

/// The channel's state as the application sees it. Any thread.
final class ConnectivityTracker: Sendable {
  private struct State {
    var current = ConnectivityState.idle
    var listeners: [Int: AsyncStream<ConnectivityState>.Continuation] = [:]
    var nextID = 0
  }

  private let state = Mutex(State())

  var current: ConnectivityState { state.withLock { $0.current } }

  func changed(to new: ConnectivityState) {
    let listeners = state.withLock { state in
      guard state.current != new else { return [AsyncStream<ConnectivityState>.Continuation]() }
      state.current = new
      return Array(state.listeners.values)
    }
    for listener in listeners { listener.yield(new) }
  }

  /// The current state, then each change; a reader that falls behind sees the newest ones.
  func changes() -> AsyncStream<ConnectivityState> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ConnectivityState.self, bufferingPolicy: .bufferingNewest(16))
    let (id, current) = state.withLock { state in
      state.nextID += 1
      state.listeners[state.nextID] = continuation
      return (state.nextID, state.current)
    }
    continuation.yield(current)
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.listeners[id] = nil }
    }
    return stream
  }
}
