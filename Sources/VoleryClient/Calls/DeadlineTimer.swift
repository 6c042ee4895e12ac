import Synchronization
import VoleryTransport
import VoleryTypes

/// The timer of a call's deadline. It lives on one loop from its start to its end, whichever connections the call uses,
/// and may be stopped from anywhere, before it was started too.
final class DeadlineTimer: Sendable {
  private struct State: @unchecked Sendable {  // Isolation: handed over
    var deadline: Deadline
    var isStopped = false
    var loop: (any TransportLoop)?
    var passed: (@Sendable () -> Void)?
    var timer: (any TransportTimer)?  // Touched on `loop` only.
  }

  private let state: Mutex<State>

  init(_ deadline: Deadline) { state = Mutex(State(deadline: deadline)) }

  var deadline: Deadline { state.withLock { $0.deadline } }

  /// Another deadline, whether the timer runs or not.
  func set(_ deadline: Deadline) {
    let loop = state.withLock { state in
      state.deadline = deadline
      return state.loop
    }
    if let loop { onLoop(loop) { [self] in schedule(on: loop) } }
  }

  /// Starts the timer on this loop; nothing happens when it was started before, or there is no deadline.
  func start(on loop: any TransportLoop, _ passed: @escaping @Sendable () -> Void) {
    let isFirst = state.withLock { state in
      guard state.loop == nil, state.deadline.isSet else { return false }
      state.loop = loop
      state.passed = passed
      return true
    }
    if isFirst { onLoop(loop) { [self] in schedule(on: loop) } }
  }

  private func schedule(on loop: any TransportLoop) {
    let (left, passed, old) = state.withLock { state in
      (state.isStopped ? nil : state.deadline.timeRemaining, state.passed, state.timer.take())
    }
    old?.cancel()
    guard let left, let passed else { return }
    let timer = loop.scheduleTimer(after: left, passed)
    state.withLock { $0.timer = timer }
  }

  func stop() {
    let loop = state.withLock { state in
      state.isStopped = true
      state.passed = nil
      return state.loop
    }
    guard let loop else { return }
    onLoop(loop) { [self] in
      state.withLock { $0.timer.take() }?.cancel()
    }
  }

  private func onLoop(_ loop: any TransportLoop, _ work: @escaping @Sendable () -> Void) {
    if loop.isCurrent { work() } else { loop.execute(work) }
  }
}
