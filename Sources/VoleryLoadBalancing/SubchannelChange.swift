public import VoleryTypes

/// A subchannel has changed its state.
public struct SubchannelChange: Sendable {
  /// Which one it is.
  public let id: Int
  /// What it is now.
  public let state: ConnectivityState
  /// For transientFailure: what each address said.
  public let error: StatusError?

  /// A change that a policy's tests make up, or one that a parent tells its child in another one's place.
  public init(_ id: Int, to state: ConnectivityState, error: StatusError? = nil) {
    self.id = id
    self.state = state
    self.error = error
  }
}
