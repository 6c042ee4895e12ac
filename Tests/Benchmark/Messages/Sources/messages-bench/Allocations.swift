import Glibc

/// The counters of allocations.c, which are there when it was loaded with LD_PRELOAD.
struct Allocations {
  private typealias Counter = @convention(c) () -> UInt64
  private let count: Counter
  private let bytes: Counter

  init?() {
    guard let count = dlsym(nil, "volery_allocation_count"), let bytes = dlsym(nil, "volery_allocation_bytes")
    else { return nil }
    self.count = unsafeBitCast(count, to: Counter.self)
    self.bytes = unsafeBitCast(bytes, to: Counter.self)
  }

  /// Allocations and bytes of them for one, once everything that is made only once is there.
  func perTime(_ run: (Int) throws -> Void) throws -> (count: Double, bytes: Double) {
    try run(10)
    let times = 100
    let before = (count(), bytes())
    try run(times)
    return (Double(count() - before.0) / Double(times), Double(bytes() - before.1) / Double(times))
  }
}
