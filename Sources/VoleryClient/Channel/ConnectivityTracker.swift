import Synchronization
package import VoleryTypes

/// The channel's state as the application sees it. Any thread.
package final class ConnectivityTracker: Sendable {
  private struct State {
    var current = ConnectivityState.idle
    var listeners: [Int: AsyncStream<ConnectivityState>.Continuation] = [:]
    var nextID = 0
  }

  private let state = Mutex(State())

  package var current: ConnectivityState { state.withLock { $0.current } }

  func changed(to new: ConnectivityState) {
    // Told under the lock, so that every listener hears the changes in their order.
    let ended = state.withLock { state -> [AsyncStream<ConnectivityState>.Continuation] in
      guard state.current != new, state.current != .shutdown else { return [] }
      state.current = new
      for listener in state.listeners.values { listener.yield(new) }
      guard new == .shutdown else { return [] }
      defer { state.listeners = [:] }
      return Array(state.listeners.values)
    }
    for listener in ended { listener.finish() }
  }

  /// The current state, then each change; ends after `shutdown`. A reader that falls behind sees the newest ones.
  package func changes() -> AsyncStream<ConnectivityState> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: ConnectivityState.self, bufferingPolicy: .bufferingNewest(16))
    let (id, isOver) = state.withLock { state in
      state.nextID += 1
      continuation.yield(state.current)
      if state.current != .shutdown { state.listeners[state.nextID] = continuation }
      return (state.nextID, state.current == .shutdown)
    }
    if isOver { continuation.finish() }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.listeners[id] = nil }
    }
    return stream
  }
}
