public import VoleryTypes

/// An attempt of a call that begins on a connection.
public struct ObservedAttempt: Sendable {
  /// Why there is one.
  public enum Cause: Hashable, Sendable {
    /// The call begins; the retry policy wants another try; the hedging policy wants one more at the same time.
    case first, retry, hedge
    /// No server has processed the one before (gRFC A6).
    case transparentRetry
  }

  /// Why the attempt is made.
  public let cause: Cause
  /// Attempts before it that a server may have seen, as sent in `grpc-previous-rpc-attempts`.
  public let previousAttempts: Int
  /// The server, with both addresses of the connection and what TLS says of it.
  public let peer: Peer
  /// As in `ChannelEvent`.
  public let subchannel: Int
  /// How long the call waited for a server before this attempt: for the name, or for a connection. Zero as a rule.
  public let waited: Duration

  @inlinable package init(cause: Cause, previousAttempts: Int, peer: Peer, subchannel: Int, waited: Duration) {
    self.cause = cause
    self.previousAttempts = previousAttempts
    self.peer = peer
    self.subchannel = subchannel
    self.waited = waited
  }
}

/// Hears what becomes of one attempt, on its connection's loop.
public protocol AttemptObserver: MessageObserver {
  /// A request is handed to the connection.
  func sent(_ message: ObservedMessage)

  /// The server's initial metadata is here.
  func received(_ initialMetadata: Metadata)

  /// A whole response is here.
  func received(_ message: ObservedMessage)

  /// The attempt is over: the last that is heard of it.
  func ended(_ end: AttemptEnd)
}

extension AttemptObserver {
  /// Does nothing.
  public func sent(_ message: ObservedMessage) {}
  /// Does nothing.
  public func received(_ initialMetadata: Metadata) {}
  /// Does nothing.
  public func received(_ message: ObservedMessage) {}
  /// Does nothing.
  public func ended(_ end: AttemptEnd) {}
}

/// How an attempt has ended.
public struct AttemptEnd: Sendable {
  /// CANCELLED where it was given up, because the call is over or another attempt has won.
  public let status: Status
  /// Who has said so: the server, or this side.
  public let origin: StatusError.Origin
  /// The server has ended the attempt, with this status. False: it was reset, lost or given up, or the answer was none of gRPC's.
  public let isComplete: Bool
  /// What the server has sent behind the last message, as it came; empty where it sent none.
  public let trailingMetadata: Metadata
  /// From the stream's opening.
  public var duration: Duration { .nanoseconds(nanoseconds) }
  /// The same, for those who count.
  public let nanoseconds: Int64
  /// Requests that were handed to the connection; of an attempt that was given up, not all of them may have left.
  public let sent: MessageCount
  /// Responses that came whole.
  public let received: MessageCount

  /// The status's code.
  public var code: StatusCode { status.code }

  @inlinable package init(
    status: Status, origin: StatusError.Origin, isComplete: Bool, trailingMetadata: Metadata, nanoseconds: Int64,
    sent: MessageCount, received: MessageCount
  ) {
    self.isComplete = isComplete
    self.status = status
    self.origin = origin
    self.trailingMetadata = trailingMetadata
    self.nanoseconds = nanoseconds
    self.sent = sent
    self.received = received
  }
}
