import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryTransport

/// An event loop whose timers go by a test's clock.
final class TestLoop: TransportLoop {
  private let loop: EventLoop
  private let clock: TestClock

  init(_ loop: EventLoop, clock: TestClock) {
    self.loop = loop
    self.clock = clock
  }

  var runningLoop: any TransportLoop { loop }
  var isCurrent: Bool { loop.isCurrent }
  func execute(_ work: @escaping @Sendable () -> Void) { loop.execute(work) }
  func enqueue(_ job: consuming ExecutorJob) { loop.enqueue(job) }

  func local<Value: AnyObject>(_ make: () -> Value) -> Value { loop.local(make) }

  func scheduleTimer(after delay: Duration, _ work: @escaping () -> Void) -> any TransportTimer {
    let timer = TestTimer(clock, work)
    let loop = loop
    let isAdded = clock.add(
      TestClock.Timer(id: timer.id, due: clock.now.advanced(by: delay)) { await timer.fire(on: loop) })
    if !isAdded { loop.execute { timer.run() } }
    return timer
  }
}

/// A timer of a test's loop. On the loop only.
private final class TestTimer: TransportTimer, @unchecked Sendable {  // Isolation: loop
  let id: Int
  private let clock: TestClock
  private var work: (() -> Void)?

  init(_ clock: TestClock, _ work: @escaping () -> Void) {
    self.clock = clock
    self.work = work
    id = clock.makeID()
  }

  func cancel() {
    work = nil
    clock.cancel(id)
  }

  func run() { work.take()?() }

  /// Returns once its work, and what that gives the loop to do, is done.
  func fire(on loop: EventLoop) async {
    await withCheckedContinuation { continuation in
      loop.execute { [self] in
        run()
        loop.execute { loop.execute { continuation.resume() } }
      }
    }
  }
}
