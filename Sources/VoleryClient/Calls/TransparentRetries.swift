package import VoleryTransport
import VoleryTypes

/// Decides whether an attempt of a call that no server has processed is made again, whatever the call's policy (gRFC A6,
/// transparent retries): once where a server has refused it; where no server has had it as often as it takes, but neither
/// without a pause nor without end. A value.
package struct TransparentRetries {
  package enum Verdict: Equatable {
    case none
    case now
    case after(Duration)
    /// It would be, but has been too often.
    case giveUp
  }

  /// Attempts that no server has had. With the pauses that is about five seconds.
  package static let limit = 64
  /// So many follow at once: the channel's next picker is on its way.
  private static let immediate = 3
  private static let firstPause = Duration.milliseconds(1)
  private static let longestPause = Duration.milliseconds(100)

  private var unsent = 0
  private var refusals = 0

  package init() {}

  package mutating func next(after processing: StreamOutcome.Processing) -> Verdict {
    switch processing {
    case .possible, .unsendable: return .none
    case .refused:
      refusals += 1
      return refusals == 1 ? .now : .none
    case .neverSent:
      unsent += 1
      guard unsent <= TransparentRetries.limit else { return .giveUp }
      guard unsent > TransparentRetries.immediate else { return .now }
      let doublings = min(unsent - TransparentRetries.immediate - 1, 10)
      return .after(min(TransparentRetries.firstPause * (1 << doublings), TransparentRetries.longestPause))
    }
  }

  /// What is told of a call that is given up.
  static func outcome(givenUp outcome: StreamOutcome) -> StreamOutcome {
    let text = "no server has taken the call, in \(limit) tries; the last: \(outcome.status.message)"
    return outcome.with(message: text, peer: outcome.peer)
  }
}
