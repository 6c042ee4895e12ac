import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A fixed number of event loops.
package final class EventLoopGroup: Sendable {
  /// The process's own: one loop for each core, made when first used and never stopped.
  package static let shared = EventLoopGroup(loops: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  package let loops: [EventLoop]
  private let counter = Atomic<Int>(0)

  package init(loops count: Int) {
    // A peer that goes away while bytes are written to it is an error of that connection, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    loops = (0..<max(1, count)).map { _ in EventLoop() }
  }

  /// The loops in turn.
  package func next() -> EventLoop {
    let index = counter.add(1, ordering: .relaxed).oldValue
    return loops[Int(UInt(bitPattern: index) % UInt(loops.count))]
  }

  package func stop() {
    for loop in loops { loop.stop() }
  }
}
