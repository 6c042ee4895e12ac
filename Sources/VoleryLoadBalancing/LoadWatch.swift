package import VoleryTypes

/// A policy's wish to hear what a subchannel's server says of its load by itself (`PolicyEffects.watchLoad`). Immutable.
public final class LoadWatch: Sendable {
  /// Whose server it is.
  public let subchannel: Int
  /// What the server is asked for; 1 ms to a day.
  public let interval: Duration
  /// In the channel's domain.
  package let heard: @Sendable (LoadReport) -> Void

  init(subchannel: Int, interval: Duration, heard: @escaping @Sendable (LoadReport) -> Void) {
    self.subchannel = subchannel
    self.interval = min(max(interval, .milliseconds(1)), .seconds(86_400))
    self.heard = heard
  }
}
