import VoleryNameResolution
import VoleryTypes

/// What the resolver has said, for error messages.
struct ResolverReport {
  private var note: String?
  private var error: String?
  private var startedAt: ChannelClock.Instant?
  private var resolvedAt: ChannelClock.Instant?
  private var failedAt: ChannelClock.Instant?

  /// It has been asked, for the first time since the channel was idle.
  mutating func started(at now: ChannelClock.Instant) {
    self = ResolverReport()
    startedAt = now
  }

  mutating func resolved(_ resolution: Resolution, at now: ChannelClock.Instant) {
    note = resolution.note.isEmpty ? "\(resolution.endpoints.count) endpoints" : resolution.note
    resolvedAt = now
    error = nil
  }

  mutating func failed(_ error: StatusError, at now: ChannelClock.Instant) {
    self.error = error.message
    failedAt = now
  }

  func text(at now: ChannelClock.Instant) -> String {
    let answer = note.map { "\($0)\(ResolverReport.age(resolvedAt, now))" }
    let failure = error.map { "\($0)\(ResolverReport.age(failedAt, now))" }
    let known = [answer, failure].compactMap { $0 }.joined(separator: ", then ")
    if !known.isEmpty { return "resolver: \(known)" }
    return "resolver: " + (startedAt == nil ? "not asked yet" : "no answer, asked\(ResolverReport.age(startedAt, now))")
  }

  private static func age(_ instant: ChannelClock.Instant?, _ now: ChannelClock.Instant) -> String {
    instant.map { " \($0.duration(to: now).milliseconds) ms ago" } ?? ""
  }
}
