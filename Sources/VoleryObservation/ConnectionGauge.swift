public import VoleryTypes

/// A connection that can be asked how it stands. Keeps nothing of it alive.
public final class ConnectionGauge: Sendable {
  package typealias Answer = @Sendable (ConnectionFigures?) -> Void

  /// The connection's, as in `ObservedConnection` and `ServerEvent.connectionOpened`.
  public let id: Int
  private let read: @Sendable (@escaping Answer) -> Void

  /// - Parameter read: Answers once, with nil where the connection is gone; or never, where its loop has ended or hangs.
  package init(id: Int, _ read: @escaping @Sendable (@escaping Answer) -> Void) {
    self.id = id
    self.read = read
  }

  /// How it stands now; asks on the connection's own loop. Nil where the connection is gone, has no wire (within the process), or
  /// its loop does not come to answer within the limit.
  public func figures(within limit: Duration = .seconds(1)) async -> ConnectionFigures? {
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
