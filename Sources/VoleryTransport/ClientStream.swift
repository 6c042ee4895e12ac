package import VoleryTypes

/// What a client says when it opens a stream.
package struct ClientRequestHead: ~Copyable, Sendable {
  /// `/package.Service/Method`.
  package var path: String
  package var authority: String
  /// Sent as `grpc-timeout`; the transport does not enforce it.
  package var timeout: Duration?
  package var metadata: Metadata
  /// `application/grpc` or `application/grpc+x`.
  package var contentSubtype: String?
  /// Attempts before this one; sent as `grpc-previous-rpc-attempts` when above 0.
  package var previousAttempts: Int = 0
  /// `grpc-encoding`: the algorithm of the messages whose compressed flag is set.
  package var messageEncoding: String?
  /// `grpc-accept-encoding`, comma separated.
  package var acceptedEncodings: String?
  package var maxResponseMessageBytes: Int
  /// A call that somebody else has made: what it carries is passed on as bytes, in both directions (`send` takes any bytes, and
  /// `ClientStreamHandler.bytesReceived` gets them), and it says itself who made it. Needs a connection that has a socket.
  package var isForwarded = false
  /// The channel's own stream, not a call: it may be silent for ever, and says nothing of whether the server is still there.
  package var isBackground = false

  package init(
    path: String, authority: String, timeout: Duration?, metadata: Metadata, contentSubtype: String?,
    maxResponseMessageBytes: Int = 4 << 20
  ) {
    self.path = path
    self.authority = authority
    self.timeout = timeout
    self.metadata = metadata
    self.contentSubtype = contentSubtype
    self.maxResponseMessageBytes = maxResponseMessageBytes
  }
}

/// One call attempt on a connection, the client's side: intents. All of it on the connection's loop.
///
///     [head, by opening it] message* [halfClose]      (and cancel at any time, which is final)
package protocol ClientStream: AnyObject {
  /// Queues a framed message (5-byte prefix included, `MessageSink.finish`). `endsStream` half-closes after it.
  func send(_ frame: MessageFrame, endsStream: Bool)

  /// Half-closes: no more messages.
  func halfClose()

  /// Gives flow-control credit back for received messages that the call has taken (their bytes, prefix included). A
  /// reader that stops taking stops the server.
  func consume(_ byteCount: Int)

  /// Bytes queued here that the connection has not taken yet: above a limit of its own choice the call stops its writer
  /// until `ClientStreamHandler.writable`.
  var queuedByteCount: Int { get }

  /// RST_STREAM(CANCEL), at once. No further event but nothing: `closed` is not called after it. May be called twice.
  func cancel()

  /// As `cancel`, with this code of HTTP/2.
  func cancel(resetCode: UInt32)

  /// Has `ClientStreamHandler.writable` called once less than the low-water mark waits, however little it is. After `send`.
  func tellWhenWritable()

  /// As `cancel`, because the call's deadline has passed: a connection that has been silent all that time looks into it.
  func deadlinePassed()
}

/// One call attempt, the client's side: events. All of them on the connection's loop, in the order
///
///     [initialMetadata] message* closed
package protocol ClientStreamHandler: AnyObject {
  /// `messageEncoding` is the server's `grpc-encoding`.
  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?)

  /// A whole message, without its prefix. `isCompressed` tells the prefix's flag.
  func messageReceived(_ message: [UInt8], isCompressed: Bool)

  /// Bytes of a call that is forwarded, as they came; valid during the call.
  func bytesReceived(_ bytes: UnsafeRawBufferPointer)

  /// The queue has fallen below the transport's low-water mark (half of what it was when the writer should stop).
  func writable()

  /// The end, exactly once unless `cancel` came first.
  func closed(_ outcome: StreamOutcome)
}

extension ClientStream {
  package func cancel(resetCode: UInt32) { cancel() }
  package func tellWhenWritable() {}
}

extension ClientStreamHandler {
  /// A call that is not forwarded gets messages.
  package func bytesReceived(_ bytes: UnsafeRawBufferPointer) {}
}
