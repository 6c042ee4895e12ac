import VoleryPlatform

/// A lock, and what its threads wait for: for threads that may block. Tasks wait by continuations, values are guarded by a `Mutex`.
final class ThreadCondition: @unchecked Sendable {  // Isolation: lock
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  func withLock<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }

  // MARK: Under the lock

  /// Until somebody signals, or for no reason: look again.
  func wait() { pthread_cond_wait(condition, mutex) }

  /// The same; false when it is past `limit`.
  func wait(until limit: timespec) -> Bool {
    var limit = limit
    return pthread_cond_timedwait(condition, mutex, &limit) == 0
  }

  func signal() { pthread_cond_signal(condition) }
  func signalAll() { pthread_cond_broadcast(condition) }
}

/// Lets one thread wait until another has come to a point, once.
final class ThreadGate: @unchecked Sendable {  // Isolation: lock
  private let condition = ThreadCondition()
  private var isOpen = false

  func signal() {
    condition.withLock {
      isOpen = true
      condition.signal()
    }
  }

  func wait() { condition.withLock { while !isOpen { condition.wait() } } }
}
