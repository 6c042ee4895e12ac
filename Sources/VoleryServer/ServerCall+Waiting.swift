import VoleryEventLoops
import VoleryPrimitives

// Tasks that come to the call's loop, and that wait there.
extension ServerCall {
  /// Whoever waits looks again: at the end of the call nobody may go on waiting.
  func wakeAll() {
    wakeReaders()
    wakeWriters()
  }

  // Nobody waits, as a rule.
  func wakeReaders() { if !readers.isEmpty { readers.takeAll().resumeAll() } }
  func wakeWriters() { if !writers.isEmpty { writers.takeAll().resumeAll() } }

  func onLoop(_ work: @escaping @Sendable () -> Void) {
    if loop.isCurrent { work() } else { loop.execute(work) }
  }

  func hop<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
    if loop.isCurrent { return work() }
    return await withUnsafeContinuation { continuation in
      loop.execute { continuation.resume(returning: work()) }
    }
  }

  /// Suspends until woken, unless `register`, on the loop, finds that there is no need. Cancelling the waiting task wakes:
  /// others that wait, too, which look again.
  func suspend(_ register: @escaping @Sendable (ServerCall, WaiterList.Waiter) -> Bool) async {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { waiter in
        onLoop { [self] in
          if !register(self, waiter) { waiter.resume() }
        }
        // Cancelled before it was registered: `onCancel` may have come too early for this waiter.
        if Task.isCancelled { wakeAllLater() }
      }
    } onCancel: {
      wakeAllLater()
    }
  }

  func wakeAllLater() {
    loop.execute { [self] in wakeAll() }
  }
}
