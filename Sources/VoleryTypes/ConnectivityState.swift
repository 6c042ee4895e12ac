/// The state of a channel or a subchannel (doc/connectivity-semantics-and-api.md).
public enum ConnectivityState: Hashable, Sendable {
  /// Not connected and not trying, because nobody needs it.
  case idle
  case connecting
  case ready
  /// The last attempt failed; the next one waits for its backoff.
  case transientFailure
  /// Closed for good.
  case shutdown
}
