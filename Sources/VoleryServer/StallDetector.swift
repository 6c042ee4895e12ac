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

/// Lets through one report a method and period: a slow method that is called all the time is told once a minute.
package struct StallReportLimit {
  package static let period = Duration.seconds(60)

  private struct Entry {
    var told: ContinuousClock.Instant
    var leftOut = 0
  }

  private var entries: [String: Entry] = [:]

  package init() {}

  /// How many reports of this method were left out since the last one; nil: leave this one out too.
  package mutating func admit(_ method: String, at now: ContinuousClock.Instant) -> Int? {
    if let entry = entries[method], entry.told.duration(to: now) < StallReportLimit.period {
      entries[method]!.leftOut += 1
      return nil
    }
    return entries.updateValue(Entry(told: now), forKey: method)?.leftOut ?? 0
  }
}
