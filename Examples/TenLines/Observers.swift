import Synchronization
import Volery

// As they stand in Docs/Observers.md.

final class Share: Observer, CallObserver {
  let counts = Mutex<[String: Int]>([:])

  func callStarted(_ call: ObservedCall) -> (any CallObserver)? { self }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    counts.withLock { $0["\(attempt.peer)", default: 0] += 1 }
    return nil
  }
}

final class SlowCalls: Observer {
  final class Call: ServerCallObserver {
    let path: String
    init(_ path: String) { self.path = path }
    func ended(_ end: ServerCallEnd) {
      if end.duration > .milliseconds(50) { print("slow: \(path) \(end.code), \(end.received.bytes) bytes") }
    }
  }

  func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? { Call(call.method.path) }
}
