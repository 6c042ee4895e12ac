import VoleryNameResolution
import VoleryTypes

/// What the resolver has said, for error messages.
struct ResolverReport {
  private var note = "not resolved yet"
  private var error: String?
  private var resolvedAt: ChannelClock.Instant?
  private var failedAt: ChannelClock.Instant?

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
    var text = "resolver: \(note)\(ResolverReport.age(resolvedAt, now))"
    if let error { text += ", then \(error)\(ResolverReport.age(failedAt, now))" }
    return text
  }

  private static func age(_ instant: ChannelClock.Instant?, _ now: ChannelClock.Instant) -> String {
    instant.map { " \($0.duration(to: now).milliseconds) ms ago" } ?? ""
  }
}
