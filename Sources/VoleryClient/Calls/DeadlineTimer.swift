import Synchronization
import VoleryTransport
import VoleryTypes

/// The timer of a call's deadline. It lives on one loop from its start to its end, whichever connections the call uses,
/// and may be stopped from anywhere, before it was started too.
final class DeadlineTimer: Sendable {
  private struct State: @unchecked Sendable {
    var isStopped = false
    var loop: (any TransportLoop)?
    var timer: (any TransportTimer)?  // Touched on `loop` only.
  }

  private let moment: Moment
  private let state = Mutex(State())

  init(at moment: Moment) { self.moment = moment }

  /// Starts the timer on this loop; nothing happens when it was started before.
  func start(on loop: any TransportLoop, _ passed: @escaping @Sendable () -> Void) {
    let isFirst = state.withLock { state in
      guard state.loop == nil else { return false }
      state.loop = loop
      return true
    }
    guard isFirst else { return }
    onLoop(loop) { [self] in
      guard state.withLock({ !$0.isStopped }) else { return }
      let timer = loop.scheduleTimer(after: Moment.now.duration(to: moment), passed)
      state.withLock { $0.timer = timer }
    }
  }

  func stop() {
    let loop = state.withLock { state in
      state.isStopped = true
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
