/// The state of a channel or a subchannel (doc/connectivity-semantics-and-api.md).
public enum ConnectivityState: Hashable, Sendable {
  /// Not connected and not trying, because nobody needs it.
  case idle
  /// Under way: the name is looked up, or a connection is made.
  case connecting
  /// There is a connection, and its server wants calls.
  case ready
  /// The last attempt failed; the next one waits for its backoff.
  case transientFailure
  /// Closed for good.
  case shutdown

  /// As gRPC writes it.
  package var name: String {
    switch self {
    case .idle: "IDLE"
    case .connecting: "CONNECTING"
    case .ready: "READY"
    case .transientFailure: "TRANSIENT_FAILURE"
    case .shutdown: "SHUTDOWN"
    }
  }
}
