public import VoleryTypes

/// A call that has come to a server.
public struct ObservedServerCall: Sendable {
  /// The server that it has come to.
  public let server: ObservedServer
  /// The method, as it is registered; of one that is not, its name as the client sent it (200 bytes at most), and its kind is
  /// bidirectional.
  public let method: MethodDescriptor
  /// The server has this method. False: it answers UNIMPLEMENTED, or by its fallback, and the name is whatever the client has
  /// sent (labels of metrics had better say `other`).
  public let isRegistered: Bool
  /// As the client has sent it.
  public let metadata: Metadata
  /// The client, with both addresses of the connection and what TLS says of it.
  public let peer: Peer
  /// What `grpc-timeout` says; nil: the client waits as long as it takes.
  public let timeout: Duration?

  package init(
    server: ObservedServer, method: MethodDescriptor, isRegistered: Bool, metadata: Metadata, peer: Peer,
    timeout: Duration?
  ) {
    self.server = server
    self.method = method
    self.isRegistered = isRegistered
    self.metadata = metadata
    self.peer = peer
    self.timeout = timeout
  }
}

/// Hears what becomes of one call of a server, on its connection's loop.
public protocol ServerCallObserver: AnyObject, Sendable {
  /// A whole request is here.
  func received(_ message: ObservedMessage)

  /// Initial metadata is handed to the connection.
  func sent(_ initialMetadata: Metadata)

  /// A response is handed to the connection.
  func sent(_ message: ObservedMessage)

  /// The call's stream is over. Its handler may run on, if it does not heed that.
  func ended(_ end: ServerCallEnd)

  /// What holds for the call's handler: the one thing that an observer of a server's calls does. Asked for once, when the call
  /// begins. Nil, the default: nothing.
  var handlerBinding: HandlerBinding? { get }

  /// Whether it wants to hear of messages and initial metadata. Asked for once, when the call begins. False saves some; the end has
  /// the counts either way. True by default.
  var hearsMessages: Bool { get }
}

extension ServerCallObserver {
  /// Does nothing.
  public func received(_ message: ObservedMessage) {}
  /// Does nothing.
  public func sent(_ initialMetadata: Metadata) {}
  /// Does nothing.
  public func sent(_ message: ObservedMessage) {}
  /// Does nothing.
  public func ended(_ end: ServerCallEnd) {}
  /// Nil: nothing is bound.
  public var handlerBinding: HandlerBinding? { nil }
  /// True.
  public var hearsMessages: Bool { true }
}

/// How a call of a server has ended.
public struct ServerCallEnd: Sendable {
  /// What the client was told; where it was told nothing any more (it has cancelled, its connection is lost), what the handler
  /// was told.
  public let status: Status
  /// All of the answer was handed to the client. False: the client has cancelled before, its time was up, or it is lost.
  public let isComplete: Bool
  /// From the headers' arrival until the answer was sent, or until the client was gone.
  public var duration: Duration { .nanoseconds(nanoseconds) }
  /// The same, for those who count.
  public let nanoseconds: Int64
  /// Requests that came whole.
  public let received: MessageCount
  /// Responses that were handed to the connection.
  public let sent: MessageCount

  /// The status's code.
  public var code: StatusCode { status.code }

  package init(
    status: Status, isComplete: Bool, nanoseconds: Int64, received: MessageCount, sent: MessageCount
  ) {
    self.status = status
    self.isComplete = isComplete
    self.nanoseconds = nanoseconds
    self.received = received
    self.sent = sent
  }
}
