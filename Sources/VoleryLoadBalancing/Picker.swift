import Synchronization
public import VoleryTypes

/// Chooses a subchannel for each call. An immutable snapshot: the policy publishes a new one whenever its view changes.
///
/// `pick` runs at the same time on many callers' tasks: it must not block, suspend or take a lock that callers contend
/// for. A picker that was replaced may still be asked for a while.
///
/// What changes from call to call it reads from the subchannels: `outstandingCalls`, `isFull`, `isEjected`. A picker that
/// ignores the last two works, and does without what they are for.
public protocol Picker: Sendable {
  /// Chooses for one attempt of a call. On any thread, at the same time as others.
  func pick(for call: PickRequest) -> PickResult
}

/// What a picker may look at.
public struct PickRequest: Sendable {
  /// `/package.Service/Method`.
  public let path: String
  /// What the attempt sends, as the caller and the interceptors have given it, call credentials not included.
  public let metadata: Metadata
  /// Where the channel has a config selector: what that has said of the call.
  private let selected: CallConfiguration.Selected?

  /// A request that a picker's tests make; a channel makes its own.
  public init(path: String, metadata: Metadata, configuration: CallConfiguration? = nil) {
    self.init(path: path, metadata: metadata, selected: configuration.map(CallConfiguration.Selected.init))
  }

  package init(path: String, metadata: Metadata, selected: CallConfiguration.Selected?) {
    self.path = path
    self.metadata = metadata
    self.selected = selected
  }

  /// Calls with the same hash want the same server, for policies that know how; nil: nobody has said.
  public var hash: UInt64? { selected?.configuration.hash }

  /// What the config selector wants the picker to know, such as the cluster; empty without one.
  public var attributes: Attributes { selected?.configuration.attributes ?? Attributes() }
}

/// What a picker says of a call.
public enum PickResult: Sendable {
  /// Use this subchannel. If its connection is lost meanwhile, the call is picked again, not failed.
  case pick(Subchannel)
  /// The same, with metadata for the attempt, or somebody who wants to hear of its end.
  indirect case attempt(Pick)
  /// Nothing is ready yet: the call waits for the next picker.
  case queue
  /// Nothing can be reached: fail-fast calls end with this, wait-for-ready calls wait for the next picker.
  case fail(StatusError)
  /// End the call with this, wait-for-ready or not, and never retry it (gRFC A6, load-balancer drops).
  case drop(StatusError)

  /// The subchannel that was picked, one way or the other.
  public var subchannel: Subchannel? {
    switch self {
    case .pick(let subchannel): subchannel
    case .attempt(let pick): pick.subchannel
    case .queue, .fail, .drop: nil
    }
  }

  /// It is not used: who waits for the end of the attempt hears that nothing was sent. For pickers that ask another one and do
  /// without its answer.
  public func discard() {
    if case .attempt(let pick) = self { pick.ended?(.unused) }
  }
}

/// A pick with more to say than which subchannel.
public struct Pick: Sendable {
  /// The server to use; one that the policy still has.
  public var subchannel: Subchannel
  /// Sent with the attempt, after the call's own. What can't be sent (a key that starts with `grpc-`, a bad character) ends the
  /// call with INTERNAL.
  public var metadata = Metadata()
  /// Gets what the server says first, once, before the caller has it, and may add to it: the response's initial metadata, or those
  /// that came with the status where nothing else did. Not called where the server says nothing. On the connection's loop; must not
  /// block.
  public var answered: (@Sendable (inout Metadata) -> Void)?
  /// Hears once how the attempt ended, whatever becomes of it: also when its connection is lost before it was sent, when the
  /// call has ended or found another server meanwhile, or when a retry picks again. On any thread; must not block.
  public var ended: (@Sendable (PickEnd) -> Void)?

  /// A pick of this subchannel; without metadata, `answered` and `ended` it is the same as `PickResult.pick`, which costs less.
  public init(_ subchannel: Subchannel, metadata: Metadata = Metadata(), ended: (@Sendable (PickEnd) -> Void)? = nil) {
    self.subchannel = subchannel
    self.metadata = metadata
    self.ended = ended
  }
}

/// How an attempt of a call ended, for the picker that has chosen its server.
public struct PickEnd: Sendable {
  /// How the attempt ended.
  public let code: StatusCode
  /// Whether the server has said it.
  public let origin: StatusError.Origin
  /// False: nothing of it was sent, which says nothing of the server; `code` is CANCELLED then, unless the deadline has passed.
  public let wasSent: Bool
  /// What came with the status; empty where the server has not said it.
  public let trailingMetadata: Metadata
  /// From the pick to the end.
  public let duration: Duration

  package init(
    code: StatusCode, origin: StatusError.Origin, wasSent: Bool, trailingMetadata: Metadata, duration: Duration
  ) {
    self.code = code
    self.origin = origin
    self.wasSent = wasSent
    self.trailingMetadata = trailingMetadata
    self.duration = duration
  }

  /// Of a pick that nothing came of.
  static let unused = PickEnd(
    code: .cancelled, origin: .local, wasSent: false, trailingMetadata: Metadata(), duration: .zero)

  /// The server's load report (gRFC A51); nil where it has sent none that can be read. Read each time it is asked for.
  public var loadReport: LoadReport? { trailingMetadata.isEmpty ? nil : trailingMetadata.loadReport }
}

/// What is left to do for a pick that wants more: says once how it ended, at the latest when nobody holds it any more.
package final class PickTicket: Sendable {
  package let metadata: Metadata
  private let answered: (@Sendable (inout Metadata) -> Void)?
  private let ended: (@Sendable (PickEnd) -> Void)?
  private let isOver = Atomic<Bool>(false)

  package init(_ pick: Pick) {
    metadata = pick.metadata
    answered = pick.answered
    ended = pick.ended
  }

  /// The server's initial metadata as the caller gets them.
  package func answered(with metadata: Metadata) -> Metadata {
    guard let answered else { return metadata }
    var changed = metadata
    answered(&changed)
    return changed
  }

  /// Whether somebody wants to see what the server says first.
  package var wantsAnswer: Bool { answered != nil }

  package func end(_ end: @autoclosure () -> PickEnd) {
    guard let ended, !isOver.exchange(true, ordering: .relaxed) else { return }
    ended(end())
  }

  /// Nothing was sent.
  package func unused() {
    end(.unused)
  }

  deinit { unused() }
}

/// Lets calls wait: connections are on their way.
public struct QueueingPicker: Picker {
  /// What a policy publishes beside `.connecting`, and beside `.idle`.
  public init() {}

  /// The same for every call.
  public func pick(for call: PickRequest) -> PickResult { .queue }
}

/// Fails calls: nothing can be reached.
public struct FailingPicker: Picker {
  /// What calls that don't wait end with.
  public let error: StatusError

  /// What a policy publishes beside `.transientFailure`; the text should say which servers failed, and how.
  public init(error: StatusError) { self.error = error }

  /// The same for every call.
  public func pick(for call: PickRequest) -> PickResult { .fail(error) }
}

/// Uses one subchannel for everything.
public struct SinglePicker: Picker {
  /// The one that every call gets.
  public let subchannel: Subchannel

  /// What a policy publishes beside `.ready` where there is only one server to use.
  public init(subchannel: Subchannel) { self.subchannel = subchannel }

  /// The same for every call.
  public func pick(for call: PickRequest) -> PickResult { .pick(subchannel) }
}
