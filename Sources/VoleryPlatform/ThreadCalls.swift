/// Where threads and clocks differ from system to system.
package enum ThreadCalls {
  /// A number that only this thread has now.
  package static var currentID: UInt {
    #if canImport(Glibc)
      UInt(pthread_self())
    #else
      UInt(bitPattern: pthread_self())
    #endif
  }

  /// Starts a thread that nobody waits for.
  ///
  /// - Returns: 0, or what the system says (`errno`): then there is none, and `body` is not called.
  package static func start(_ body: @escaping @Sendable () -> Void) -> Int32 {
    let start = Unmanaged.passRetained(ThreadStart(body))
    // A number with glibc, a pointer elsewhere; what a thread is given may be nil for C, and is not for Apple's.
    #if canImport(Glibc)
      var thread = pthread_t()
    #else
      var thread: pthread_t?
    #endif
    let code = pthread_create(&thread, nil, { ThreadStart.run($0) }, start.toOpaque())
    guard code == 0 else {
      start.release()
      return code
    }
    #if canImport(Glibc)
      pthread_detach(thread)
    #else
      if let thread { pthread_detach(thread) }
    #endif
    return 0
  }

  /// Of the clock that runs on while the machine sleeps, since its start.
  package static var continuousNanoseconds: Int64 {
    #if os(Linux)
      let clock = CLOCK_BOOTTIME
    #else
      let clock = CLOCK_MONOTONIC_RAW
    #endif
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

private final class ThreadStart: Sendable {
  private let body: @Sendable () -> Void

  init(_ body: @escaping @Sendable () -> Void) { self.body = body }

  static func run(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let start { Unmanaged<ThreadStart>.fromOpaque(start).takeRetainedValue().body() }
    return nil
  }
}
