/// Decides how a peer is slowed down whose messages pile up. A value.
///
/// Neither the connection's window nor its socket can do it: they would stop small calls too, and with them what would free
/// memory; and halves of messages, which are most of what piles up, are freed only by what completes them. So the streams'
/// windows are made narrow: what fits there goes on as before, and of the messages that don't fit the oldest are let through,
/// a few at a time.
///
///     open --over the mark--> narrowing --SETTINGS acknowledged--> narrow
///       ^-------------------- under half of the mark ----------------+
package struct ReceivePacing {
  package enum Phase { case open, narrowing, narrow }

  package enum Action: Equatable {
    case none
    /// Announce the narrow window. What the peer sends until it has heard of it is what is under way.
    case narrow
    /// The peer keeps to the narrow window: let messages through.
    case letThrough
    /// Announce the usual window.
    case widen
  }

  /// SETTINGS_INITIAL_WINDOW_SIZE while the peer is slowed down: a thousand streams have a quarter of the default limit at most.
  package static let narrowWindow: UInt32 = 16 << 10

  package private(set) var phase = Phase.open

  package init() {}

  /// - Parameter waiting: Bytes that were received and that nobody has taken.
  package mutating func changed(waiting: Int, mark: Int) -> Action {
    switch phase {
    case .open where waiting > mark:
      phase = .narrowing
      return .narrow
    case .narrow where waiting < mark / 2:
      phase = .open
      return .widen
    case .narrow: return .letThrough
    case .open, .narrowing: return .none
    }
  }

  /// The peer has acknowledged everything that was announced.
  package mutating func acknowledged() -> Action {
    guard phase == .narrowing else { return .none }
    phase = .narrow
    return .letThrough
  }

  /// A stream whose message does not fit into its window.
  package struct Candidate: Equatable {
    package var stream: Int32
    /// What is left to come of the message.
    package var missing: Int

    package init(stream: Int32, missing: Int) {
      self.stream = stream
      self.missing = missing
    }
  }

  /// Those that are let through now: the oldest first, within the allowance, and one at least.
  ///
  /// - Parameter outstanding: What is left to come of those that were let through before.
  package static func choose(
    from candidates: [Candidate], outstanding: Int, allowance: Int
  ) -> [Candidate] {
    var chosen: [Candidate] = []
    var total = outstanding
    for candidate in candidates.sorted(by: { $0.stream < $1.stream }) {
      guard total == 0 || total + candidate.missing <= allowance else { break }
      total += candidate.missing
      chosen.append(candidate)
    }
    return chosen
  }
}
