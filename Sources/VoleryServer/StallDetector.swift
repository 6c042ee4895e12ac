package import VoleryEventLoops

/// Tells from looks at a loop whether one job keeps it from everything else. Decides, and never acts: whoever looks hands in
/// what was seen, and when.
package struct StallDetector {
  package struct Stall: Hashable, Sendable {
    /// Whose job it is (`LoopActivity.Sample.tag`).
    package var tag: UInt
    /// How long the job has been seen; it may have begun a little earlier.
    package var duration: Duration

    package init(tag: UInt, duration: Duration) {
      self.tag = tag
      self.duration = duration
    }
  }

  private let threshold: Duration
  private var last = LoopActivity.Sample(job: 0, tag: LoopActivity.idle)
  private var since: ContinuousClock.Instant?
  private var isTold = false

  package init(threshold: Duration) { self.threshold = threshold }

  /// The stall, once for each job that is seen for `threshold` or longer.
  package mutating func looked(_ sample: LoopActivity.Sample, at now: ContinuousClock.Instant) -> Stall? {
    guard sample.tag != LoopActivity.idle, sample == last, let since else {
      last = sample
      since = sample.tag == LoopActivity.idle ? nil : now
      isTold = false
      return nil
    }
    let duration = since.duration(to: now)
    guard !isTold, duration >= threshold else { return nil }
    isTold = true
    return Stall(tag: sample.tag, duration: duration)
  }
}
