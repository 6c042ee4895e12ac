import Synchronization
public import VoleryTypes

/// A connection that can be asked how it stands, as long as it is open.
public final class ConnectionGauge: Sendable {
  package typealias Answer = @Sendable (ConnectionFigures?) -> Void

  /// The connection's, as in `ObservedConnection` and `ServerEvent.connectionOpened`.
  public let id: Int
  /// Nil once the connection is over.
  private let read: Mutex<(@Sendable (@escaping Answer) -> Void)?>

  /// - Parameter read: Answers once; or never, where the connection's loop has ended or hangs. May hold the connection, until
  ///   `close`: a weak reference would make each of the connection's others dearer for as long as it lives, which all of its calls
  ///   pay.
  package init(id: Int, _ read: @escaping @Sendable (@escaping Answer) -> Void) {
    self.id = id
    self.read = Mutex(read)
  }

  /// The connection is over: nothing of it is kept alive. Whoever made this says so, once.
  package func close() {
    // Let go of outside of the lock.
    _ = read.withLock { $0.take() }
  }

  /// How it stands now; asks on the connection's own loop. Nil where the connection is gone, has no wire (within the process), or
  /// its loop does not come to answer within the limit.
  public func figures(within limit: Duration = .seconds(1)) async -> ConnectionFigures? {
    guard let read = read.withLock({ $0 }) else { return nil }
    let (answers, source) = AsyncStream.makeStream(of: ConnectionFigures?.self, bufferingPolicy: .bufferingOldest(1))
    read { source.yield($0) }
    let clock = Task {
      try? await Task.sleep(for: limit)
      source.yield(nil)
    }
    defer { clock.cancel() }
    for await answer in answers { return answer }
    // The asking task was cancelled.
    return nil
  }
}
