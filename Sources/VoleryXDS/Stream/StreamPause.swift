/// How long a client waits before it opens a stream to a control plane again: longer after each one that said nothing, and never
/// for exactly as long as the other clients, which have lost theirs in the same moment (gRFC A57). A value that decides.
package struct StreamPause {
  package static let first = Duration.seconds(1)
  package static let longest = Duration.seconds(30)

  private var next = StreamPause.first

  package init() {}

  /// A stream has ended. Returns how long to wait.
  ///
  /// - Parameters:
  ///   - hasHeard: Whether the control plane has said anything on it.
  ///   - random: From 0 up to 1.
  package mutating func ended(hasHeard: Bool, random: Double) -> Duration {
    let pause = hasHeard ? StreamPause.first : next
    next = min(pause * 1.6, StreamPause.longest)
    return pause * (0.8 + 0.4 * random)
  }
}
