public import VoleryTypes

/// Chooses a subchannel for each call. An immutable snapshot: the policy publishes a new one whenever its view changes.
///
/// `pick` runs at the same time on many callers' tasks: it must not block, suspend or take a lock that callers contend
/// for. A picker that was replaced may still be asked for a while.
///
/// What changes from call to call it reads from the subchannels: `outstandingCalls`, `isFull`, `isAside`. A picker that ignores
/// the last two works, and does without what they are for.
public protocol Picker: Sendable {
  func pick(for call: PickRequest) -> PickResult
}

/// What a picker may look at.
public struct PickRequest: Sendable {
  /// `/package.Service/Method`.
  public let path: String
  public let metadata: Metadata

  public init(path: String, metadata: Metadata) {
    self.path = path
    self.metadata = metadata
  }
}

public enum PickResult: Sendable {
  /// Use this subchannel. If its connection is lost meanwhile, the call is picked again, not failed.
  case pick(Subchannel)
  /// Nothing is ready yet: the call waits for the next picker.
  case queue
  /// Nothing can be reached: fail-fast calls end with this, wait-for-ready calls wait for the next picker.
  case fail(StatusError)
  /// End the call with this, wait-for-ready or not, and never retry it (gRFC A6, load-balancer drops).
  case drop(StatusError)
}
