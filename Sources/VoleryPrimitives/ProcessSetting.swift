import Synchronization

/// What is decided once for the process: by whoever chooses before it is first asked for, else by the default. Any thread.
package final class ProcessSetting<Value: Sendable>: Sendable {
  private struct State {
    var value: Value
    var isInUse = false
  }

  private let state: Mutex<State>

  package init(_ defaultValue: Value) { state = Mutex(State(value: defaultValue)) }

  /// False, and nothing is changed, where the value is in use already.
  package func choose(_ value: Value) -> Bool {
    state.withLock { state in
      guard !state.isInUse else { return false }
      state.value = value
      return true
    }
  }

  package var isInUse: Bool { state.withLock { $0.isInUse } }

  /// The value, from now on for good.
  package func use() -> Value {
    state.withLock { state in
      state.isInUse = true
      return state.value
    }
  }
}
