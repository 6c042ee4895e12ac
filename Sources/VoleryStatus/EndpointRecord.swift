import Synchronization
import VoleryObservation
import VoleryTypes

/// Counts what is sent to one server of a channel. Hears of all attempts there: an attempt needs no object of its own.
final class EndpointRecord: AttemptObserver {
  let address: String
  private let calls: Mutex<CallCounter>
  private let clock: StatusClock

  init(_ address: String, _ clock: StatusClock) {
    self.address = address
    self.clock = clock
    calls = Mutex(CallCounter(from: clock.start))
  }

  func attemptStarted() { calls.withLock { $0.started(at: clock.now()) } }

  func ended(_ end: AttemptEnd) { calls.withLock { $0.ended(end.code) } }

  func totals(at now: Moment) -> CallTotals { calls.withLock { $0.totals(at: now) } }
}
