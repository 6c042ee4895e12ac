public import VoleryTypes

/// A call of a channel that begins.
public struct ObservedCall: Sendable {
  /// The channel that makes it.
  public let channel: ObservedChannel
  /// The method that is called, as its generated code describes it.
  public let method: MethodDescriptor
  /// The call's own or the service config's, whichever is sooner. An interceptor may have set another one since.
  public let deadline: Deadline
  /// What the caller calls it in metrics (`CallOptions.telemetryLabel`); nil: nothing.
  public let label: String?

  @inlinable package init(
    channel: ObservedChannel, method: MethodDescriptor, deadline: Deadline, label: String? = nil
  ) {
    self.channel = channel
    self.method = method
    self.deadline = deadline
    self.label = label
  }
}

/// Hears what becomes of one call of a channel, or of several: a count needs no object for each.
public protocol CallObserver: AnyObject, Sendable {
  /// An attempt has a connection and is about to be sent there. Who hears of what becomes of it.
  ///
  /// - Parameter metadata: What the attempt sends; what is added here (a trace's context) goes with it.
  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)?

  /// The caller has its answer.
  func ended(_ end: CallEnd)

  /// Whether it wants to hear of attempts (`attemptStarted`). Asked for once, when the call begins. False saves some; the end has how
  /// many there were either way. True by default.
  var hearsAttempts: Bool { get }
}

extension CallObserver {
  /// Adds no metadata and hears no more of the attempt.
  public func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? { nil }
  /// Does nothing.
  public func ended(_ end: CallEnd) {}
  /// True.
  public var hearsAttempts: Bool { true }
}

/// How a call of a channel has ended.
public struct CallEnd: Sendable {
  /// What the caller gets, its text for people included.
  public let status: Status
  /// Who has said so: the server, or this side.
  public let origin: StatusError.Origin
  /// From the call's beginning, before name resolution, to its end.
  public var duration: Duration { .nanoseconds(nanoseconds) }
  /// The same, for those who count.
  public let nanoseconds: Int64
  /// Attempts beyond the first, and the time between them.
  public var attempts: AttemptCount { furtherAttempts ?? AttemptCount() }
  /// Nil: there were none.
  @usableFromInline let furtherAttempts: AttemptCount?

  /// The status's code.
  @inlinable public var code: StatusCode { status.code }

  @inlinable package init(
    status: Status, origin: StatusError.Origin, nanoseconds: Int64, furtherAttempts: AttemptCount?
  ) {
    self.status = status
    self.origin = origin
    self.nanoseconds = nanoseconds
    self.furtherAttempts = furtherAttempts
  }
}

/// The attempts of one call beyond its first, as gRFC A96 counts them.
public struct AttemptCount: Hashable, Sendable {
  /// By the retry policy.
  public package(set) var retries = 0
  /// Of what no server had processed (gRFC A6).
  public package(set) var transparentRetries = 0
  /// By the hedging policy.
  public package(set) var hedges = 0
  /// For how long no attempt was under way, between the first and the last one.
  public package(set) var delay = Duration.zero

  package init() {}
}
