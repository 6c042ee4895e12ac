package import VoleryTypes

/// What a client said when it opened a stream, checked by the transport (method, content-type, te, timeout syntax). All but the
/// time is one reference, which calls that say the same share.
package struct ServerRequestHead: Sendable {
  private final class Fields: @unchecked Sendable {  // Isolation: unique
    @exclusivity(unchecked) var authority = ""
    @exclusivity(unchecked) var metadata = Metadata()
    @exclusivity(unchecked) var contentSubtype: String?
    @exclusivity(unchecked) var messageEncoding: String?
    @exclusivity(unchecked) var acceptedEncodings = CompressionSet.identity
  }

  /// Nil: all of them are as in one that is to be filled in.
  private var fields: Fields?
  /// The time that `grpc-timeout` gives, from now.
  package var timeout: Duration?

  package var authority: String {
    get { fields?.authority ?? "" }
    _modify { yield &ownFields().authority }
  }
  package var metadata: Metadata {
    get { fields?.metadata ?? Metadata() }
    _modify { yield &ownFields().metadata }
  }
  package var contentSubtype: String? {
    get { fields?.contentSubtype }
    _modify { yield &ownFields().contentSubtype }
  }
  /// `grpc-encoding` of the request's messages.
  package var messageEncoding: String? {
    get { fields?.messageEncoding }
    _modify { yield &ownFields().messageEncoding }
  }
  /// `grpc-accept-encoding`: what the client can read.
  package var acceptedEncodings: CompressionSet {
    get { fields?.acceptedEncodings ?? .identity }
    _modify { yield &ownFields().acceptedEncodings }
  }

  /// To be changed: nobody else's.
  private mutating func ownFields() -> Fields {
    if isKnownUniquelyReferenced(&fields) { return fields.unsafelyUnwrapped }
    let own = Fields()
    if let fields {
      own.authority = fields.authority
      own.metadata = fields.metadata
      own.contentSubtype = fields.contentSubtype
      own.messageEncoding = fields.messageEncoding
      own.acceptedEncodings = fields.acceptedEncodings
    }
    fields = own
    return own
  }

  /// To be filled in.
  package init() {}

  package init(
    authority: String, timeout: Duration?, metadata: Metadata, contentSubtype: String?, messageEncoding: String? = nil,
    acceptedEncodings: CompressionSet = .identity
  ) {
    let fields = Fields()
    fields.authority = authority
    fields.metadata = metadata
    fields.contentSubtype = contentSubtype
    fields.messageEncoding = messageEncoding
    fields.acceptedEncodings = acceptedEncodings
    self.fields = fields
    self.timeout = timeout
  }
}

/// A message as it came, without its prefix.
package struct ReceivedMessage: Sendable {
  package let bytes: [UInt8]
  /// The prefix's flag: `bytes` are compressed as the stream's `grpc-encoding` says.
  package let isCompressed: Bool

  package init(_ bytes: [UInt8], isCompressed: Bool) {
    self.bytes = bytes
    self.isCompressed = isCompressed
  }
}

/// One call, the server's side: intents. All of it on the connection's loop.
///
///     [initialMetadata message*] finish      (finish alone is a Trailers-Only response)
package protocol ServerStream: AnyObject {
  var transportLoop: any TransportLoop { get }
  var peer: Peer { get }

  /// Sends the response's headers; done by the first message where the call did not. `messageEncoding` is `grpc-encoding`.
  func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?)

  /// Queues a framed message (5-byte prefix included, `MessageSink.finish`).
  func send(_ frame: MessageFrame)

  /// Ends the call: trailers, or a Trailers-Only response when nothing was sent. If the client has not half-closed, its
  /// stream is reset with NO_ERROR behind the trailers. Nothing may be sent after it.
  func finish(_ status: Status, trailingMetadata: Metadata)

  /// Ends the call without waiting for a client that takes nothing: what it has not taken of the responses is let go of, and
  /// the stream is reset with CANCEL; as `finish` where it has taken everything. Also after `finish`, to the same end.
  func finishNow(_ status: Status)

  /// Gives flow-control credit back for received messages that the handler has taken (their bytes, prefix included).
  func consume(_ byteCount: Int)

  var queuedByteCount: Int { get }

  /// The call is passed on as bytes: `send` takes any bytes, and the handler gets `bytesReceived` instead of messages. Within
  /// `ServerStreamAcceptor.accept` only. Returns false where the transport has no bytes to pass on.
  func passBytes() -> Bool

  /// The request's `grpc-accept-encoding`, as it came. Within `ServerStreamAcceptor.accept` only.
  var acceptedEncodingsText: String? { get }

  /// Says which requests of a connection are alike: one with the same number as an earlier one says the same, but for its path and
  /// its time. Nil: it is not known. Within `ServerStreamAcceptor.accept` only.
  var likeness: Int? { get }

  /// Has `ServerStreamHandler.writable` called once less than the low-water mark waits, however little it is. After `send`.
  func tellWhenWritable()

  /// Ends the call by RST_STREAM with this code of HTTP/2, without a status. The handler hears nothing more.
  func reset(_ code: UInt32)

  /// Whether the client takes so little of what its calls are answered that no more of them should begin.
  var isClientBehind: Bool { get }

  /// Calls `work` once, when the client has caught up, or when the connection is over. After `isClientBehind`, in the same turn.
  func whenClientCatchesUp(_ work: @escaping () -> Void)

  /// Where a handler is counted that still runs when its stream is over; asked from `ServerStreamHandler.closed` only. Nil
  /// for a transport that does not limit them.
  var lingeringHandlers: LingeringHandlers? { get }
}

/// The handlers of one connection that run on although their streams are over: a client has reset them, or their time is
/// up, and they did not heed it. They take up places of the connection's limit. On the connection's loop.
package final class LingeringHandlers {
  package var count = 0

  package init() {}
}

/// One call, the server's side: events. All of them on the connection's loop, in the order
///
///     message* [halfClosed] closed
package protocol ServerStreamHandler: AnyObject {
  /// The time that the client gave the call, and when it is over.
  var timeout: Duration? { get }
  var deadline: Deadline { get }

  /// Whether the client may send one message only: a second one ends the call, whenever the first one is taken.
  var hasOneRequest: Bool { get }

  /// A whole message, without its prefix.
  func messageReceived(_ message: [UInt8], isCompressed: Bool)

  /// Bytes of a call that is forwarded, as they came; valid during the call.
  func bytesReceived(_ bytes: UnsafeRawBufferPointer)

  /// The client has reset the stream with this code of HTTP/2; `closed` follows.
  func resetByClient(_ code: UInt32)

  /// The client sends no more messages.
  func halfClosed()

  /// The queue has fallen below the transport's low-water mark.
  func writable()

  /// The stream is over, exactly once: `error` is nil when `finish` was called and all of it was sent. Otherwise the
  /// client cancelled, the connection was lost, or the request broke a rule (a message over the limit, half a message):
  /// the transport has told the client already, and the handler's task has to be cancelled.
  func closed(_ error: StatusError?)
}

extension ServerStream {
  package func passBytes() -> Bool { false }
  package var acceptedEncodingsText: String? { nil }
  package var likeness: Int? { nil }
  package func tellWhenWritable() {}
  package func reset(_ code: UInt32) { finishNow(Status(code: .cancelled)) }
}

extension ServerStreamHandler {
  /// A call that is not forwarded gets messages.
  package func bytesReceived(_ bytes: UnsafeRawBufferPointer) {}
  package func resetByClient(_ code: UInt32) {}
}

/// Who answers the streams that clients open: the server runtime, as a transport sees it.
package protocol ServerStreamAcceptor: Sendable {
  /// Called on the connection's loop when a stream's headers are there. `path` is valid during the call only. Whoever
  /// comes back is told of everything that follows; to refuse the call at once, call `stream.finish` and return nil.
  func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)?

  /// The largest message accepted from a client, in bytes (4 MiB by default).
  var maxRequestMessageBytes: Int { get }

  /// The most bytes of a request's metadata, by RFC 9113's count (16 KiB by default).
  var maxMetadataBytes: Int { get }
}

extension Status {
  /// How a call ends whose metadata can't be sent, as `reason` says. One that has failed keeps its code, which tells more; one
  /// that was fine has failed by it.
  package func without(_ what: String, _ reason: String, failingWith code: StatusCode = .internal) -> Status {
    guard !isOK else { return Status(code: code, message: reason) }
    let separator = message.isEmpty ? "" : " "
    return Status(code: self.code, message: "\(message)\(separator)(without its \(what): \(reason))")
  }
}
