/// The one place where a connection and all of its streams run: an event loop, as the transports and the call machines
/// see it. Calls that prefer this executor run here too, so they touch their stream without a hop.
package protocol TransportLoop: TaskExecutor {
  /// Whether the caller runs on this loop now.
  var isCurrent: Bool { get }

  /// Runs `work` on the loop, later and in order; any thread may call it.
  func execute(_ work: @escaping @Sendable () -> Void)

  /// The loop's own value of this type, made when first asked for; it lives as long as the loop. On the loop only.
  func local<Value: AnyObject>(_ make: () -> Value) -> Value

  /// Runs `work` on the loop once this time has passed. On the loop only; so is the timer's `cancel`.
  func scheduleTimer(after delay: Duration, _ work: @escaping () -> Void) -> any TransportTimer

  /// The loop that runs what is given to this one: itself, but for a loop of a test that keeps another time.
  var runningLoop: any TransportLoop { get }
}

extension TransportLoop {
  package var runningLoop: any TransportLoop { self }
}

/// A timer that has not fired yet.
package protocol TransportTimer: AnyObject {
  /// After it, the timer's work is not run any more. May be called twice.
  func cancel()
}
