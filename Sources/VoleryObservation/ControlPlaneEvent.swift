/// What happens between a client and the control planes that tell its channels where to go (xDS, gRFC A78). Told of the canonical
/// target of each channel that wants something of them.
public enum ControlPlaneEvent: Hashable, Sendable {
  /// There is a stream to the server with this address, or none any more that works: it could not be reached, or the stream has ended
  /// without a word (gRFC A57). After that only an answer makes it one that works.
  case connection(server: String, works: Bool)
  /// It has become one that does not work.
  case serverFailed(server: String)
  /// The channel does not want anything of it any more.
  case serverLeft(server: String)
  /// It has sent resources of this type, of which some make no sense; also those that are as they were.
  case received(server: String, type: String, valid: Int, invalid: Int)
  /// So many resources of each kind are wanted, and known; what is not in it are none.
  case resources([ControlPlaneResources: Int])
}

/// Resources of a control plane that are in one state.
public struct ControlPlaneResources: Hashable, Sendable {
  /// What is known of a resource; the raw value is what metrics call it (gRFC A78).
  public enum State: String, Hashable, Sendable {
    /// Asked for, and not answered.
    case requested
    /// The control plane has none.
    case doesNotExist = "does_not_exist"
    /// The last one made sense.
    case accepted = "acked"
    /// None has made sense.
    case refused = "nacked"
    /// The last one made no sense, and the one before holds.
    case refusedButKept = "nacked_but_cached"
  }

  /// Such as `envoy.config.listener.v3.Listener`.
  public let type: String
  /// Of their names (gRFC A47); `#old` for those without.
  public let authority: String
  /// What is known of them.
  public let state: State

  package init(type: String, authority: String, state: State) {
    self.type = type
    self.authority = authority
    self.state = state
  }
}
