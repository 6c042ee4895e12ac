import VoleryTypes

/// A call attempt within the process: the client's stream and the server's in one. On its connection's loop only.
final class InProcessStream: ClientStream, @unchecked Sendable {  // Isolation: loop
  private let connection: InProcessConnection
  private let head: ClientRequestHead
  private var client: (any ClientStreamHandler)?
  private var server: (any ServerStreamHandler)?
  private var acceptor: (any ServerStreamAcceptor)?
  private var hasInitialMetadata = false
  private var isServerFinished = false
  private var isOver = false
  private var hasArrived = false
  /// What the client said before the server had taken the call.
  private var early: [() -> Void] = []
  private let requests = Direction()
  private let responses = Direction()

  /// Bytes on their way to a reader that has not taken them.
  private final class Direction {
    var byteCount = 0
    var wantsWritable = false
    static let highWaterMark = 64 << 10

    func sent(_ count: Int) {
      byteCount += count
      if byteCount >= Direction.highWaterMark { wantsWritable = true }
    }

    /// Whether the writer may be told to go on.
    func consumed(_ count: Int) -> Bool {
      byteCount = max(0, byteCount - count)
      guard wantsWritable, byteCount < Direction.highWaterMark / 2 else { return false }
      wantsWritable = false
      return true
    }
  }

  init(connection: InProcessConnection, head: consuming ClientRequestHead, handler: any ClientStreamHandler) {
    self.connection = connection
    self.head = head
    self.client = handler
  }

  fileprivate var transportLoop: any TransportLoop { connection.transportLoop }
  fileprivate var peer: Peer { connection.peer }

  private func later(_ work: @escaping @Sendable () -> Void) { transportLoop.execute(work) }

  // MARK: The way to the server

  func arrive(_ acceptor: any ServerStreamAcceptor) {
    guard !isOver else { return }
    if let excess = MetadataExcess(
      "the request's metadata", head.metadata, limit: acceptor.maxMetadataBytes, of: "the server")
    {
      let status = Status(code: .resourceExhausted, message: excess.description)
      return end(StreamOutcome(status: status, origin: .local, processing: .unsendable))
    }
    self.acceptor = acceptor
    hasArrived = true
    let request = ServerRequestHead(
      authority: head.authority, timeout: head.timeout, metadata: head.metadata.asReceived,
      contentSubtype: head.contentSubtype,
      messageEncoding: head.messageEncoding,
      acceptedEncodings: head.acceptedEncodings.map(CompressionSet.init) ?? .identity)
    server = Array(head.path.utf8).withUnsafeBytes {
      acceptor.accept(path: $0, head: request, stream: InProcessServerStream(self))
    }
    let early = early
    self.early = []
    for event in early { event() }
  }

  private func toServer(_ event: @escaping @Sendable (InProcessStream) -> Void) {
    later { [self] in
      guard !isOver else { return }
      if hasArrived { event(self) } else { early.append { [self] in event(self) } }
    }
  }

  func send(_ frame: MessageFrame, endsStream: Bool) {
    guard !isOver else { return }
    requests.sent(frame.count)
    toServer { stream in stream.deliverRequest(frame) }
    if endsStream { halfClose() }
  }

  /// The server ends the call: its time is over.
  func cutOff(_ text: String) {
    guard !isServerFinished else { return }
    let error = StatusError(.unavailable, text)
    let handler = server.take()
    finish(error.status, trailingMetadata: Metadata())
    handler?.closed(error)
  }

  private func deliverRequest(_ frame: MessageFrame) {
    let byteCount = frame.messageByteCount
    if let limit = acceptor?.maxRequestMessageBytes, byteCount > limit {
      let text = "a message of \(byteCount) bytes is over the server's limit of \(limit)"
      let error = StatusError(.resourceExhausted, text)
      let handler = server.take()
      finish(error.status, trailingMetadata: Metadata())
      handler?.closed(error)
      return
    }
    guard let server else { return }
    server.messageReceived(Array(frame.joined.dropFirst(MessageSink.prefixByteCount)), isCompressed: frame.head[0] == 1)
    // It may be taken at the end of the requests only: a client that streams must not wait for that, but be told.
    if server.hasOneRequest { requestsConsumed(frame.count) }
  }

  func halfClose() {
    toServer { $0.server?.halfClosed() }
  }

  func cancel() {
    guard !isOver else { return }
    client = nil
    over()
    later { [self] in server.take()?.closed(StatusError(.cancelled, "the client cancelled the call")) }
  }

  func deadlinePassed() { cancel() }

  // MARK: The way to the client

  fileprivate func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?) {
    guard !isServerFinished, !hasInitialMetadata else { return }
    if let excess = excess("initial", metadata) {
      let error = StatusError(.resourceExhausted, excess.description)
      let handler = server.take()
      finish(error.status, trailingMetadata: Metadata())
      handler?.closed(error)
      return
    }
    hasInitialMetadata = true
    later { [self] in client?.initialMetadataReceived(metadata.asReceived, messageEncoding: messageEncoding) }
  }

  fileprivate func sendResponse(_ frame: MessageFrame) {
    guard !isServerFinished else { return }
    if !hasInitialMetadata { sendInitialMetadata(Metadata(), messageEncoding: nil) }
    responses.sent(frame.count)
    later { [self] in deliverResponse(frame) }
  }

  private func deliverResponse(_ frame: MessageFrame) {
    let byteCount = frame.messageByteCount
    guard byteCount <= head.maxResponseMessageBytes else {
      let text = "a message of \(byteCount) bytes is over the client's limit of \(head.maxResponseMessageBytes)"
      end(StreamOutcome(status: Status(code: .resourceExhausted, message: text), origin: .local))
      server.take()?.closed(StatusError(.cancelled, "the client cancelled the call"))
      return
    }
    client?.messageReceived(
      Array(frame.joined.dropFirst(MessageSink.prefixByteCount)), isCompressed: frame.head[0] == 1)
  }

  fileprivate func finish(_ status: Status, trailingMetadata: Metadata) {
    guard !isServerFinished else { return }
    isServerFinished = true
    let isTrailersOnly = !hasInitialMetadata
    var (status, trailingMetadata) = (status, trailingMetadata)
    if let excess = excess("trailing", trailingMetadata) {
      status = status.without("trailing metadata", excess.description, failingWith: .resourceExhausted)
      trailingMetadata = Metadata()
    }
    status.message = cut(status.message, beside: trailingMetadata, isTrailersOnly: isTrailersOnly)
    var outcome = StreamOutcome(
      status: status, trailingMetadata: trailingMetadata.asReceived, origin: .peer, isTrailersOnly: isTrailersOnly)
    outcome.isServersOwn = true
    later { [self, outcome] in
      end(outcome)
      server.take()?.closed(nil)
    }
  }

  /// What comes of a status message over a socket: the client's limit holds for all of the last headers.
  private func cut(_ message: String, beside metadata: Metadata, isTrailersOnly: Bool) -> String {
    // Far from it, nobody has to count.
    guard message.utf8.count > connection.maxMetadataBytes / 8 || !metadata.isEmpty else { return message }
    let others = InProcessStream.statusByteCount + (isTrailersOnly ? InProcessStream.headByteCount : 0)
    let room = connection.maxMetadataBytes - others - metadata.fieldByteCount()
    guard PercentEncoding.encode(message).count > room else { return message }
    return PercentEncoding.encode(message, cutTo: room).withUnsafeBytes { PercentEncoding.decode($0) }
  }

  /// `grpc-status` with two digits, and `grpc-message` without its value.
  private static let statusByteCount = "grpc-status".utf8.count + 2 + 32 + "grpc-message".utf8.count + 32
  /// `:status: 200` and `content-type: application/grpc`.
  private static let headByteCount = 7 + 3 + 32 + 12 + 16 + 32

  private func excess(_ which: String, _ metadata: Metadata) -> MetadataExcess? {
    MetadataExcess("the response's \(which) metadata", metadata, limit: connection.maxMetadataBytes, of: "the client")
  }

  // MARK: Both

  /// The client has taken responses.
  func consume(_ byteCount: Int) {
    if responses.consumed(byteCount) { later { [self] in server?.writable() } }
  }

  /// The server has taken requests.
  fileprivate func requestsConsumed(_ byteCount: Int) {
    if requests.consumed(byteCount) { later { [self] in client?.writable() } }
  }

  var queuedByteCount: Int { requests.byteCount }
  fileprivate var queuedResponseByteCount: Int { responses.byteCount }

  private func over() {
    guard !isOver else { return }
    isOver = true
    early = []
    connection.ended(self)
  }

  private func end(_ outcome: StreamOutcome) {
    over()
    client.take()?.closed(outcome)
  }

  /// The connection takes no more calls.
  func refuse() {
    isOver = true
    early = []
    client.take()?.closed(
      StreamOutcome(
        status: Status(code: .unavailable, message: "the connection is going away"), origin: .local,
        processing: .neverSent))
  }

  func connectionLost(_ reason: String) {
    guard !isOver else { return }
    isOver = true
    early = []
    let text = "the connection was lost: \(reason)"
    client.take()?.closed(StreamOutcome(status: Status(code: .unavailable, message: text), origin: .local))
    server.take()?.closed(StatusError(.cancelled, text))
  }
}

/// The server's end of an in-process stream.
private final class InProcessServerStream: ServerStream {
  private let stream: InProcessStream

  init(_ stream: InProcessStream) { self.stream = stream }

  var transportLoop: any TransportLoop { stream.transportLoop }
  var peer: Peer { stream.peer }
  var queuedByteCount: Int { stream.queuedResponseByteCount }
  var isClientBehind: Bool { false }
  /// Both ends are one process's: the server's limit of calls is enough.
  var lingeringHandlers: LingeringHandlers? { nil }

  func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?) {
    stream.sendInitialMetadata(metadata, messageEncoding: messageEncoding)
  }

  func send(_ frame: MessageFrame) { stream.sendResponse(frame) }

  func finish(_ status: Status, trailingMetadata: Metadata) {
    stream.finish(status, trailingMetadata: trailingMetadata)
  }

  func whenClientCatchesUp(_ work: @escaping () -> Void) { work() }

  /// What was sent is with the client.
  func finishNow(_ status: Status) { stream.finish(status, trailingMetadata: Metadata()) }

  func consume(_ byteCount: Int) { stream.requestsConsumed(byteCount) }
}
