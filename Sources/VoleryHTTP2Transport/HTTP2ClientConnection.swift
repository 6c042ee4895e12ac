import VoleryEventLoops
package import VoleryHTTP2Session
import VoleryPrimitives
package import VoleryTransport
package import VoleryTypes

/// What a client does with its connections.
package struct ClientConnectionOptions: Sendable {
  package var http2 = HTTP2Settings()
  /// Shared by all connections of a channel.
  package var buffers = BufferLimits()
  /// SETTINGS_MAX_HEADER_LIST_SIZE: 0 to 16 MiB.
  package var maxMetadataBytes: Int {
    get { http2.maxHeaderListByteCount }
    set { http2.maxHeaderListByteCount = newValue }
  }
  package var userAgent = "volery-swift/0.1"
  /// After this long without a byte from the server, a ping asks whether it is still there (gRFC A8). Not below 10 s. Nil:
  /// only when the server is suspected (`ConnectionLiveness`).
  package var keepaliveTime: Duration?
  package var keepaliveTimeout: Duration = .seconds(20)
  package var keepaliveWithoutCalls = false
  /// Shared by all connections of a channel.
  package var pingPace = PingPace()
  /// How long bytes may stay unacknowledged before the kernel gives the connection up (gRFC A18); nil: the kernel's own
  /// time, about 15 minutes.
  package var userTimeout: Duration? = .seconds(20)

  package init() {}
}

/// The client's end of a connection.
package final class HTTP2ClientConnection: HTTP2Connection, ClientConnection, @unchecked Sendable {  // Isolation: loop
  private let observer: any ClientConnectionObserver
  private let options: ClientConnectionOptions
  /// The channel's own, which TLS has checked.
  private let authority: String
  @exclusivity(unchecked) private var requestPrefixes: RequestPrefixes
  /// Of its answers.
  @exclusivity(unchecked) var usualBlocks = UsualBlocks()
  @exclusivity(unchecked) private var isReady = false
  @exclusivity(unchecked) private var isDraining = false
  @exclusivity(unchecked) private var wasFull = false
  @exclusivity(unchecked) private var liveness: ConnectionLiveness
  private var livenessTimer: LoopTimer?
  /// Of the open streams: those that are no calls.
  @exclusivity(unchecked) private var backgroundStreams = 0
  /// Streams that the server has answered itself.
  @exclusivity(unchecked) private var servedCount = 0
  /// The stream id from which on the observer is told that the end is near.
  @exclusivity(unchecked) private var nearEndID = HTTP2ClientConnection.streamIDLimit
  /// Of the server's GOAWAY.
  private var lastTakenID = Int32.max
  /// Three quarters of the ids that there are (gRFC A105, as grpc-go).
  private static let streamIDLimit = Int32.max / 4 * 3
  private static let livenessPing: UInt64 = 0x766f_6c65_7279_0003

  init(
    socket: Socket, authority: String, options: ClientConnectionOptions, security: (any TransportSecurity)?,
    observer: any ClientConnectionObserver
  ) {
    self.authority = authority
    self.observer = observer
    self.options = options
    requestPrefixes = RequestPrefixes(isSecure: security != nil, userAgent: options.userAgent)
    let settings = ConnectionLiveness.Settings(
      keepaliveTime: options.keepaliveTime, answerTime: options.keepaliveTimeout,
      asksWithoutCalls: options.keepaliveTime != nil && options.keepaliveWithoutCalls)
    liveness = ConnectionLiveness(settings, pace: options.pingPace, now: .now)
    super.init(socket: socket, role: .client, settings: options.http2, buffers: options.buffers, security: security)
    start()
    if settings.asksWithoutCalls { checkLiveness() }
  }

  // MARK: ClientConnection

  package func openStream(_ head: consuming ClientRequestHead, handler: any ClientStreamHandler) -> any ClientStream {
    let session = session.unsafelyUnwrapped
    let stream = stream(for: head, handler, session.takeSpareStream())
    if head.isForwarded { stream.passBytes() }
    guard head.authority == authority || mayBeCalled(head.authority) else {
      let authority = head.authority
      loop.execute { stream.refuseAuthority(authority) }
      return stream
    }
    if isFull, !head.isBackground {
      loop.execute { stream.refuseForMemory() }
      return stream
    }
    if livenessTimer == nil, !head.isBackground { scheduleLivenessCheck(after: ConnectionLiveness.silence) }
    do throws(HTTP2Failure) {
      guard !isOver, !isDraining else { throw HTTP2Failure.goingAway }
      try session.submitRequest(stream) { append(head, to: &$0) }
      if head.isBackground { backgroundStreams += 1 }
      if stream.id >= nearEndID { nearsEnd(stream.id) }
    } catch {
      if let excess = error.excess {
        loop.execute { stream.refuseHeaders(excess) }
      } else {
        let reason = error.description
        loop.execute { stream.connectionLost(reason) }
        if !isOver, !isDraining, session.isOutOfStreamIDs { ranOutOfStreamIDs() }
      }
    }
    reportCapacity()
    setNeedsFlush()
    return stream
  }

  /// A new one, or one that has been another call's, which is over.
  @inline(__always)
  private func stream(
    for head: borrowing ClientRequestHead, _ handler: any ClientStreamHandler, _ spare: HTTP2Stream?
  ) -> HTTP2ClientStream {
    guard let spare else {
      return HTTP2ClientStream(
        connection: self, handler: handler, maxMessageBytes: head.maxResponseMessageBytes,
        windowByteCount: options.http2.streamWindowByteCount, receptions: liveness.receptions,
        isBackground: head.isBackground)
    }
    let stream = unsafeDowncast(spare, to: HTTP2ClientStream.self)
    stream.renew(
      handler: handler, maxMessageBytes: head.maxResponseMessageBytes, receptions: liveness.receptions,
      isBackground: head.isBackground)
    return stream
  }

  /// gRFC A81: a call with an authority of its own goes only to a server whose certificate is for that name too.
  private func mayBeCalled(_ name: String) -> Bool {
    security?.peerHasName(CertificateName(authority: name).host) ?? true
  }

  private func append(_ head: borrowing ClientRequestHead, to headers: inout HeaderList) {
    requestPrefixes.append(head, to: &headers)
    if let timeout = head.timeout { Timeout.withText(timeout) { headers.append(timeout: $0) } }
    if let encoding = head.messageEncoding { headers.append("grpc-encoding", encoding) }
    if head.isForwarded, let encodings = head.acceptedEncodings { headers.append("grpc-accept-encoding", encodings) }
    if head.previousAttempts > 0 { headers.append("grpc-previous-rpc-attempts", String(head.previousAttempts)) }
    MetadataCoding.append(head.metadata, to: &headers)
  }

  package func drain() {
    onLoop { [self] in
      guard !isDraining else { return }
      isDraining = true
      // In the next turn: nghttp2 would say it before this turn's requests, and a server without calls reads nothing behind it.
      loop.execute { [self] in
        session.submitGoAway(.noError)
        setNeedsFlush()
      }
    }
  }

  package func readFigures(_ answer: @escaping @Sendable (ConnectionFigures?) -> Void) {
    onLoop { [self] in answer(figures) }
  }

  // MARK: Its end

  package var tally: ConnectionTally {
    let underWay = session.streams.lazy.compactMap { $0 as? HTTP2ClientStream }
      .count { $0.isUnanswered && $0.id <= lastTakenID }
    let opened = (Int(session.nextStreamID) - Int(options.http2.firstStreamID)) / 2
    let taken = (Int(lastTakenID) + 2 - Int(options.http2.firstStreamID)) / 2
    return ConnectionTally(
      opened: opened, taken: max(0, min(opened, taken)), served: servedCount, underWay: underWay)
  }

  package func announceEnd(afterStreams count: Int) {
    onLoop { [self] in
      let id = Int(options.http2.firstStreamID) + 2 * (max(count, 1) - 1)
      guard id < Int(nearEndID) else { return }
      nearEndID = Int32(id)
      if tally.opened >= count { nearsEnd(nearEndID) }
    }
  }

  private func nearsEnd(_ id: Int32) {
    let cause: NearEnd = id >= HTTP2ClientConnection.streamIDLimit ? .streamIDs : .expected
    nearEndID = cause == .streamIDs ? .max : HTTP2ClientConnection.streamIDLimit
    if !isDraining { observer.connectionNearsEnd(self, cause: cause) }
  }

  private func ranOutOfStreamIDs() {
    drain()
    observer.connectionDraining(self, cause: .renewal, reason: "its stream ids are used up")
  }

  /// The server ends this connection, has taken calls, and this one not any more: the next connection's turn. (One that
  /// takes none refuses.)
  func hasLeftOut(_ id: Int32) -> Bool { id > lastTakenID && lastTakenID >= options.http2.firstStreamID }

  /// The server has answered a stream itself.
  func streamServed() { servedCount += 1 }

  package func close(reason: String) { onLoop { [self] in finish(reason) } }

  private func onLoop(_ work: @escaping @Sendable () -> Void) {
    if loop.isCurrent { work() } else { loop.execute(work) }
  }

  package var transportLoop: any TransportLoop { loop }

  package var maxConcurrentStreams: Int { Int(session.peerMaxConcurrentStreams) }

  // MARK: Events

  package override func settingsReceived() {
    if !isReady {
      isReady = true
      observer.connectionReady(self)
    }
    reportCapacity()
  }

  package override func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {
    super.goAwayReceived(code, lastStreamID: lastStreamID, debugData: debugData)
    isDraining = true
    lastTakenID = min(lastTakenID, lastStreamID)
    if code == .enhanceYourCalm, debugData == "too_many_pings" { options.pingPace.complained() }
    let debug = debugData.isEmpty ? "" : " (\(String(foreign: debugData)))"
    let cause: DrainCause = code == .noError && debugData == "max_age" ? .renewal : .goodbye
    observer.connectionDraining(self, cause: cause, reason: "GOAWAY \(code)\(debug)")
  }

  func streamEnded(isBackground: Bool) {
    if isBackground { backgroundStreams -= 1 }
    reportCapacity()
  }

  override var reasonForTLSBytes: String {
    "the server speaks TLS on this port, and the channel's credentials are plaintext"
  }

  /// What an attempt is at that has not come to the peer's SETTINGS.
  var stage: String {
    guard let security, !security.isEstablished else { return "connected, but no SETTINGS from the server" }
    return "connected, but no TLS handshake"
  }

  private func reportCapacity() {
    let isFull = session.isFull
    guard isFull != wasFull else { return }
    wasFull = isFull
    observer.connectionCapacityChanged(self, hasRoom: !isFull)
  }

  // MARK: Whether the server is still there

  override func bytesReceived() { liveness.received(now: .now) }

  /// What the server has sent makes it forget our pings (gRFC A8): each frame counts, and is looked at when it matters.
  private func noteData() {
    guard session.hasReceivedData else { return }
    session.hasReceivedData = false
    liveness.dataReceived()
  }

  /// The deadline of a stream has passed that was opened when so much had been received.
  func deadlinePassed(openedAt receptions: UInt32) {
    noteData()
    perform(liveness.deadlinePassed(openedAt: receptions, now: .now))
  }

  private func checkLiveness() {
    livenessTimer = nil
    guard !isOver else { return }
    noteData()
    let (action, next) = liveness.check(now: .now, hasCalls: session.streams.count > backgroundStreams)
    perform(action)
    if let next { scheduleLivenessCheck(after: next) }
  }

  private func scheduleLivenessCheck(after delay: Duration) {
    guard !isOver else { return }
    livenessTimer?.cancel()
    livenessTimer = loop.schedule(after: delay) { [unowned self] in checkLiveness() }
  }

  private func perform(_ action: ConnectionLiveness.Action) {
    switch action {
    case .none: return
    case .ping:
      record.keepalivesSent += 1
      session.submitPing(HTTP2ClientConnection.livenessPing)
      setNeedsFlush()
      scheduleLivenessCheck(after: liveness.firstAnswerTime)
    case .suspect(let reason):
      guard !isDraining else { return }
      drain()
      observer.connectionDraining(self, cause: .silence, reason: reason)
    case .giveUp(let reason): finish(reason)
    }
  }

  override func ended(error: String?) {
    livenessTimer?.cancel()
    observer.connectionClosed(error: error)
  }
}
