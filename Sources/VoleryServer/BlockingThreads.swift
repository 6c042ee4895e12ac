import VoleryEventLoops

/// Threads for handlers that block: that wait inside a system call, a driver or a lock, where Swift's shared pool, which has
/// one thread for each core, would soon have none left.
///
///     let threads = BlockingThreads(count: 32)
///     Server(services: [Accounts(database).on(.taskExecutor(threads))])
///
/// A thread is started when a handler finds none that is free; with all of them busy, handlers wait their turn. A thread ends
/// when it has had nothing to do for ten seconds, and all of them when nothing refers to this object any more.
public final class BlockingThreads: TaskExecutor {
  private let pool: BlockingPool

  /// Threads that are started as they are needed.
  ///
  /// - Parameter count: The most threads; how many handlers may block at once. 64.
  public init(count: Int = 64) { pool = BlockingPool(threads: count, waiting: .max) }

  deinit { pool.close() }

  /// Runs a part of a task on a free thread, or as soon as there is one; called by Swift's concurrency.
  public func enqueue(_ job: consuming ExecutorJob) {
    // A task keeps the executor that it prefers alive, and with it the pool's threads.
    let isTaken = pool.run(UnownedJob(job), on: asUnownedTaskExecutor())
    precondition(isTaken, "the system gives no thread for handlers that block")
  }
}
