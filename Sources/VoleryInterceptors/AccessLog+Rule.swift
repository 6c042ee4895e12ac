public import VoleryTypes

extension AccessLog {
  /// What is known of a call at its end.
  public struct Entry: Sendable {
    /// The method that was called.
    public let method: MethodDescriptor
    /// What the client is told.
    public let status: Status
    /// From the call's arrival at the interceptor to its end.
    public let duration: Duration
    /// The client.
    public let peer: Peer

    package init(method: MethodDescriptor, status: Status, duration: Duration, peer: Peer) {
      self.method = method
      self.status = status
      self.duration = duration
      self.peer = peer
    }
  }

  /// Which calls are logged.
  public struct Rule: Sendable {
    package let picks: @Sendable (Entry) -> Bool

    /// Logs the calls for which this returns true; it is called at each call's end, in its task.
    public init(_ picks: @escaping @Sendable (Entry) -> Bool) { self.picks = picks }

    /// Every call.
    public static let all = Rule { _ in true }

    /// Calls that fail, those that take longer than `limit`, and this share (0 to 1) of the others.
    public static func failures(andShare share: Double = 0, slowerThan limit: Duration? = nil) -> Rule {
      Rule { entry in
        if !entry.status.isOK { return true }
        if let limit, entry.duration > limit { return true }
        return share > 0 && Double.random(in: 0..<1) < share
      }
    }
  }
}
