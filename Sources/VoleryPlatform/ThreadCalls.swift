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

  /// The clock that runs on while the machine sleeps.
  package static var continuousClock: clockid_t {
    #if os(Linux)
      CLOCK_BOOTTIME
    #else
      CLOCK_MONOTONIC_RAW
    #endif
  }
}
