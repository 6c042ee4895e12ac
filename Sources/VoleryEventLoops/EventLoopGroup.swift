import Synchronization

/// A fixed number of event loops.
package final class EventLoopGroup: Sendable {
  private static let madeShared = Mutex<EventLoopGroup?>(nil)

  /// The process's own: one loop for each processor that it may use, made when first used and never stopped.
  ///
  /// - Throws: What the system lacks to make it; the next one who asks tries again.
  package static func shared() throws(SocketError) -> EventLoopGroup {
    // Typed throws do not pass through the lock.
    let result = madeShared.withLock { made -> Result<EventLoopGroup, SocketError> in
      if let made { return .success(made) }
      return Result { () throws(SocketError) in
        let group = try EventLoopGroup(loops: AvailableProcessors.count)
        made = group
        return group
      }
    }
    return try result.get()
  }

  package let loops: [EventLoop]
  private let counter = Atomic<Int>(0)

  /// - Throws: What the system lacks; then there is none of the loops.
  package init(loops count: Int) throws(SocketError) {
    var loops: [EventLoop] = []
    do throws(SocketError) {
      for _ in 0..<max(1, count) { loops.append(try EventLoop()) }
    } catch {
      for loop in loops { loop.stop() }
      throw error
    }
    self.loops = loops
  }

  /// Some of another group's loops, which that one stops.
  package init(_ loops: [EventLoop]) {
    precondition(!loops.isEmpty, "a group has a loop at least")
    self.loops = loops
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
