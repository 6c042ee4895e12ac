import VoleryTransport
public import VoleryTypes

/// What a handler knows of its call besides the request, and what it may say besides the response. May be kept and used
/// from any task until the call is over; after that, what it says goes nowhere.
public struct ServerContext: Sendable {
  let call: ServerCall

  @usableFromInline init(_ call: ServerCall) { self.call = call }

  /// The method that was called.
  public var method: MethodDescriptor { call.method }

  /// The client's end of the connection.
  public var peer: Peer { call.peer }

  /// Who the client's certificate says that it is; nil without TLS, or where the client has shown no certificate.
  /// `peer.security` has more: version, cipher, whether the session was resumed.
  public var identity: PeerIdentity? { call.peer.identity }

  /// `:authority`: the name by which the client called.
  public var authority: String { call.head.authority }

  /// The metadata that the client sent.
  public var metadata: Metadata { call.metadata }

  /// When the call has to be over. Calls that the handler makes inherit it.
  public var deadline: Deadline { call.deadline }

  /// Whether the client has cancelled, the connection is lost or the deadline has passed. The handler's task is cancelled
  /// then, too.
  public var isCancelled: Bool { call.isCancelled }

  /// Sent before the first response; setting it after that does nothing. `sendInitialMetadata` sends it without waiting
  /// for a response.
  public var initialMetadata: Metadata {
    get { call.responseMetadata.initial }
    nonmutating set { call.responseMetadata.initial = newValue }
  }

  /// Sent with the status.
  public var trailingMetadata: Metadata {
    get { call.responseMetadata.trailing }
    nonmutating set { call.responseMetadata.trailing = newValue }
  }

  /// How the responses are compressed: `ServerOptions.compression` at first. Setting it after the first response does
  /// nothing, and so does one that the client can't read.
  public var responseCompression: Compression {
    get { call.responseCompression.current }
    nonmutating set {
      if call.head.acceptedEncodings.contains(newValue) { call.responseCompression.choose(newValue) }
    }
  }

  /// Whether the request that was read last came compressed.
  public var isRequestCompressed: Bool { call.isRequestCompressed }

  /// Sends `initialMetadata` now.
  public func sendInitialMetadata() { call.sendInitialMetadata() }
}
