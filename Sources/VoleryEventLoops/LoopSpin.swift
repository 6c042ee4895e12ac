package import VoleryPrimitives

/// Decides whether a loop that has nothing to do looks again and again before it waits for its sockets: where what comes next has
/// come sooner than that of late. To wake a thread that waits takes longer than most answers of a server nearby; to look costs a
/// processor all of its time. A value; times are nanoseconds, and come from outside.
package struct LoopSpin {
  /// How long a loop looks; zero: not at all. In use from the first event loop on.
  package static let setting = ProcessSetting(Duration.zero)
  /// Nobody looks for longer than this, whoever says so.
  package static let longest = Duration.milliseconds(1)
  /// A pause that was longer than the limit, so that to look was in vain, counts as so many limits, however long it was: two of
  /// them in a row end it, and a quiet night is forgotten after some calls in a row.
  private static let longestPause: UInt64 = 4
  /// The last pause has this part of the average.
  private static let share: UInt64 = 8

  private let limit: UInt64
  /// How long there was nothing to do, on average of the last few times.
  private var expected: UInt64

  package init(limit: UInt64) {
    self.limit = limit
    expected = limit * LoopSpin.longestPause
  }

  /// Whether to look again, when there has been nothing for so long.
  package func looksAgain(after idle: UInt64) -> Bool { expected < limit && idle < limit }

  /// There is something again, after so long.
  package mutating func ended(_ idle: UInt64) {
    let counted = idle < limit ? idle : limit * LoopSpin.longestPause
    expected = (expected * (LoopSpin.share - 1) + counted) / LoopSpin.share
  }
}
