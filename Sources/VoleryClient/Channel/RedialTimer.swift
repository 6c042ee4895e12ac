import VoleryTransport
import VoleryTypes

/// While nothing can be reached and calls come, has each address dialed about as often as a name is looked up, and not as
/// seldom as its backoff comes to: whoever waits, or fails, wants to know when a server is back. In the control plane.
struct RedialTimer {
  private var timer: (any TransportTimer)?

  /// - Parameter isNeeded: Nothing can be reached.
  mutating func set(isNeeded: Bool, for core: ChannelCore) {
    guard isNeeded else { return stop() }
    guard timer == nil else { return }
    let interval = max(core.options.refreshInterval ?? .seconds(5), .milliseconds(200))
    // At random, so that the clients of a server that is gone do not come back in step.
    timer = core.loop.scheduleTimer(after: interval * (0.4 + 0.1 * core.clock.random())) { [weak core] in
      guard let core else { return }
      core.redialTimer.timer = nil
      if core.dataPlane.activity.takeUse() {
        core.newestPolicy.redialAll(ifStartedBefore: core.clock.now() - interval * 0.4)
      }
      core.redialTimer.set(isNeeded: core.policy.state == .transientFailure, for: core)
    }
  }

  mutating func stop() { timer.take()?.cancel() }
}
