import Foundation
import Synchronization
import TestSupport
import Testing
import VoleryEventLoops

@Suite("Threads for what may block", .timeLimit(.minutes(1))) struct BlockingPoolTests {
  /// Holds whoever waits for it until it is opened.
  final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    func wait() { semaphore.wait() }
    func open(_ count: Int = 1) { for _ in 0..<count { semaphore.signal() } }
  }

  @Test("work that hangs holds up none that another thread can do") func stuck() async {
    let pool = BlockingPool(threads: 3)
    let gate = Gate()
    for _ in 0..<2 { #expect(pool.run { gate.wait() }) }
    for number in 0..<100 { #expect(await pool.value { number } == number) }
    gate.open(2)
  }

  @Test("with all threads stuck work waits, and is refused beyond the limit; then all of it is done") func full()
    async throws
  {
    let pool = BlockingPool(threads: 2, waiting: 3)
    let gate = Gate()
    let started = Gate()
    let done = Mutex<[Int]>([])
    for _ in 0..<2 {
      #expect(
        pool.run {
          started.open()
          gate.wait()
        })
    }
    await Task.detached { for _ in 0..<2 { started.wait() } }.value
    for number in 0..<3 { #expect(pool.run { done.withLock { $0.append(number) } }) }
    #expect(!pool.run {})
    #expect(await pool.value { 1 } == nil)
    #expect(done.withLock { $0.isEmpty })
    gate.open(2)
    try await eventually("all is done") { done.withLock { $0.count } == 3 }
    #expect(done.withLock { Set($0) } == [0, 1, 2])
  }

  @Test("who is cancelled does not wait for work that hangs") func cancelled() async {
    let pool = BlockingPool(threads: 1)
    let gate = Gate()
    let (started, starts) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      await pool.value {
        starts.yield()
        gate.wait()
      }
    }
    for await _ in started { break }
    task.cancel()
    #expect(await task.value == nil)
    gate.open()
  }

  final class Sum: Sendable { let value = Atomic<Int>(0) }

  @Test("much work from many threads is all done, once") func many() async {
    let pool = BlockingPool(threads: 4, waiting: .max)
    let sum = Sum()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for number in 1...500 { _ = await pool.value { sum.value.add(number, ordering: .relaxed) } }
        }
      }
    }
    #expect(sum.value.load(ordering: .relaxed) == 8 * 500 * 501 / 2)
  }
}
