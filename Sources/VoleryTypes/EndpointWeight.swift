/// What `weighted_round_robin` knows of one of its servers at the moment at which it sets the shares (gRFC A58, A78).
public struct EndpointWeight: Hashable, Sendable {
  /// Whether the server's reports count.
  public enum Standing: Hashable, Sendable {
    /// They do.
    case usable
    /// None has come yet, or the first one not long enough ago.
    case notYetUsable
    /// The last one is too old.
    case stale
  }

  /// The number of the server's subchannel.
  public let subchannel: Int
  /// Whether its reports count.
  public let standing: Standing
  /// Calls a second over how busy these make it; 0 where its reports don't count.
  public let weight: Double

  package init(subchannel: Int, standing: Standing, weight: Double) {
    self.subchannel = subchannel
    self.standing = standing
    self.weight = weight
  }
}
