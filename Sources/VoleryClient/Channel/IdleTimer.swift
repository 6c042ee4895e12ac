import VoleryTransport

/// Lets a channel rest that has had no call for `ChannelOptions.idleTimeout`. In the control plane.
struct IdleTimer {
  private var timer: (any TransportTimer)?

  /// The channel is awake.
  mutating func start(for core: ChannelCore) { start(for: core, after: core.options.idleTimeout) }

  private mutating func start(for core: ChannelCore, after delay: Duration) {
    timer?.cancel()
    timer = core.loop.scheduleTimer(after: max(delay, .milliseconds(1))) { [weak core] in
      guard let core else { return }
      let left = core.options.idleTimeout - core.dataPlane.activity.quietTime
      if left > .zero { core.idleTimer.start(for: core, after: left) } else { core.enterIdle() }
    }
  }

  mutating func stop() { timer.take()?.cancel() }
}
