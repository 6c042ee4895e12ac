import VoleryPlatform
import VoleryPrimitives

/// Threads for handlers that block: that wait inside a system call, a driver or a lock, where Swift's shared pool, which has
/// one thread for each core, would soon have none left.
///
///     let threads = BlockingThreads(count: 32)
///     Server(services: [Accounts(database).on(.taskExecutor(threads))])
///
/// A thread is started when a handler finds none that is free; with all of them busy, handlers wait their turn. The threads
/// end when nothing refers to this object any more.
public final class BlockingThreads: TaskExecutor {
  private let queue: ThreadQueue

  /// Threads that are started as they are needed.
  ///
  /// - Parameter count: The most threads; how many handlers may block at once. 64.
  public init(count: Int = 64) { queue = ThreadQueue(limit: max(1, count)) }

  deinit { queue.close() }

  /// Runs a part of a task on a free thread, or as soon as there is one; called by Swift's concurrency.
  public func enqueue(_ job: consuming ExecutorJob) {
    // A task keeps the executor that it prefers alive, and with it the queue's threads.
    queue.append(UnownedJob(job), asUnownedTaskExecutor())
  }
}

/// The jobs that wait for a thread. Its threads hold it.
private final class ThreadQueue: @unchecked Sendable {  // Isolation: lock
  private struct Entry {
    let job: UnownedJob
    let executor: UnownedTaskExecutor
  }

  private let limit: Int
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // Under the mutex.
  private var entries = Queue<Entry>()
  private var threadCount = 0
  private var idleCount = 0
  private var isClosed = false

  init(limit: Int) {
    self.limit = limit
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  func append(_ job: UnownedJob, _ executor: UnownedTaskExecutor) {
    pthread_mutex_lock(mutex)
    entries.append(Entry(job: job, executor: executor))
    // A thread that was woken is idle until it has taken its job: count the jobs, not only the threads.
    let needsThread = entries.count > idleCount && threadCount < limit
    if needsThread { threadCount += 1 }
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
    if needsThread { startThread() }
  }

  func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  private func startThread() {
    var thread = pthread_t()
    let result = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<ThreadQueue>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
    guard result == 0 else { return threadRefused(result) }
    pthread_detach(thread)
  }

  /// The system is at its limit of threads: those that there are have to do.
  private func threadRefused(_ code: Int32) {
    Unmanaged.passUnretained(self).release()
    pthread_mutex_lock(mutex)
    threadCount -= 1
    precondition(threadCount > 0, "no thread for handlers that block: \(String(cString: strerror(code)))")
    pthread_mutex_unlock(mutex)
  }

  private func run() {
    while let entry = next() { entry.job.runSynchronously(on: entry.executor) }
  }

  /// Waits for a job; nil once the queue is closed.
  private func next() -> Entry? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while entries.isEmpty {
      if isClosed { return nil }
      idleCount += 1
      pthread_cond_wait(condition, mutex)
      idleCount -= 1
    }
    return entries.popFirst()
  }
}
