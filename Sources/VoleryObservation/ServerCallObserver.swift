public import VoleryTypes

/// A call that has come to a server. Costs nothing but what is asked of it; kept, it keeps what the server has of its call.
public struct ObservedServerCall: Sendable {
  private let facts: any ObservedServerCallFacts

  /// The server that it has come to.
  public var server: ObservedServer { facts.server }
  /// The method, as it is registered; of one that is not, its name as the client sent it (200 bytes at most), and its kind is
  /// bidirectional.
  public var method: MethodDescriptor { facts.method }
  /// The server has this method. False: it answers UNIMPLEMENTED, or by its fallback, and the name is whatever the client has
  /// sent (labels of metrics had better say `other`).
  public var isRegistered: Bool { facts.isRegistered }
  /// As the client has sent it.
  public var metadata: Metadata { facts.sentMetadata }
  /// The client, with both addresses of the connection and what TLS says of it.
  public var peer: Peer { facts.peer }
  /// What `grpc-timeout` says; nil: the client waits as long as it takes.
  public var timeout: Duration? { facts.timeout }

  package init(_ facts: any ObservedServerCallFacts) { self.facts = facts }
}

/// What a server knows of a call when it comes, and what stays as it is.
package protocol ObservedServerCallFacts: AnyObject, Sendable {
  var server: ObservedServer { get }
  var method: MethodDescriptor { get }
  var isRegistered: Bool { get }
  var sentMetadata: Metadata { get }
  var peer: Peer { get }
  var timeout: Duration? { get }
}

/// Hears what becomes of one call of a server, on its connection's loop.
public protocol ServerCallObserver: MessageObserver {
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
  @inlinable public var code: StatusCode { status.code }

  @inlinable package init(
    status: Status, isComplete: Bool, nanoseconds: Int64, received: MessageCount, sent: MessageCount
  ) {
    self.status = status
    self.isComplete = isComplete
    self.nanoseconds = nanoseconds
    self.received = received
    self.sent = sent
  }
}
