import VoleryPlatform
import VoleryPrimitives

/// Threads for what may block without an end: the reading of files, whose file system may hang (NFS, FUSE, a named pipe), and
/// handlers that say so. Event loops and Swift's own few threads must not wait for it.
///
/// A thread is started when work finds none that is free, and ends when it has had nothing to do for a while. With all of
/// them stuck, work waits its turn, and beyond a limit it is refused. Any thread.
package final class BlockingPool: @unchecked Sendable {  // Isolation: lock
  /// For certificates and endpoint files. Whoever uses it has one piece of work here at a time.
  package static let files = BlockingPool(threads: 16)
  /// For what DNS look-ups read of the system: apart, as there may be one for each of many names at once.
  package static let names = BlockingPool(threads: 4, waiting: 10_000)

  package typealias Work = @Sendable () -> Void

  private enum Item {
    case work(Work)
    case job(UnownedJob, on: UnownedTaskExecutor)

    func run() {
      switch self {
      case .work(let work): work()
      case .job(let job, let executor): job.runSynchronously(on: executor)
      }
    }
  }

  private let threadLimit: Int
  private let waitingLimit: Int
  private let condition = ThreadCondition()
  // Under its lock.
  private var waiting = Queue<Item>()
  private var threadCount = 0
  private var idleCount = 0
  private var isClosed = false

  /// In seconds.
  private static let idleTime = 10

  /// - Parameters:
  ///   - threads: The most.
  ///   - waiting: Work that may wait for a thread.
  package init(threads: Int, waiting: Int = 1024) {
    threadLimit = max(1, threads)
    waitingLimit = waiting
  }

  /// Runs `work` on a thread of its own, now or when there is one.
  ///
  /// - Returns: False when it is refused: too much waits, or the system gives no thread.
  package func run(_ work: @escaping Work) -> Bool { append(.work(work)) }

  /// Runs a task's job on a thread of its own, now or when there is one. Whoever gives it sees to it that the executor lives.
  ///
  /// - Returns: As above.
  package func run(_ job: UnownedJob, on executor: UnownedTaskExecutor) -> Bool { append(.job(job, on: executor)) }

  /// Threads that have nothing to do end now, and the others when they have done what waits.
  package func close() {
    condition.withLock {
      isClosed = true
      condition.signalAll()
    }
  }

  private func append(_ item: Item) -> Bool {
    let (isTaken, needsThread) = condition.withLock {
      guard waiting.count < waitingLimit else { return (false, false) }
      waiting.append(item)
      // A thread that was woken is idle until it has taken its work: count the work, not only the threads.
      let needsThread = waiting.count > idleCount && threadCount < threadLimit
      if needsThread { threadCount += 1 }
      condition.signal()
      return (true, needsThread)
    }
    return isTaken && (!needsThread || startThread())
  }

  /// The result of `work`; nil when it is refused, or the task is cancelled meanwhile: then it goes on unheard.
  package func value<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
    let (results, continuation) = AsyncStream.makeStream(of: Value.self)
    let isTaken = run {
      continuation.yield(work())
      continuation.finish()
    }
    guard isTaken else { return nil }
    for await result in results { return result }
    return nil
  }

  private func startThread() -> Bool {
    if ThreadCalls.start({ [self] in work() }) == 0 { return true }
    return condition.withLock {
      threadCount -= 1
      // Those that there are have to do.
      guard threadCount == 0 else { return true }
      waiting = Queue()
      return false
    }
  }

  private func work() {
    while let item = next() { item.run() }
  }

  /// Waits for work; nil when none has come for a while, or the pool is closed: the thread is not counted any more.
  private func next() -> Item? {
    var limit = timespec()
    clock_gettime(CLOCK_REALTIME, &limit)
    limit.tv_sec += BlockingPool.idleTime
    return condition.withLock {
      var isTimeUp = false
      while waiting.isEmpty {
        if isTimeUp || isClosed {
          threadCount -= 1
          return nil
        }
        idleCount += 1
        isTimeUp = !condition.wait(until: limit)
        idleCount -= 1
      }
      return waiting.popFirst()
    }
  }
}
