package import VoleryEventLoops
package import VoleryHTTP2Session
package import VoleryTransport
import VoleryTypes

/// The server's end of a connection. On its loop only.
///
/// More than 15 stored properties: a few each for timers, draining, pings, resets and clients that take nothing, all of
/// which end with the connection; what decides for them are values of their own (`PingStrikes`, `StreamResetLimit`).
package final class HTTP2ServerConnection: HTTP2Connection, @unchecked Sendable {  // Isolation: loop
  let acceptor: any ServerStreamAcceptor
  /// The acceptor's.
  let maxMessageBytes: Int
  private let options: ServerConnectionOptions
  private let onReady: (@Sendable (HTTP2ServerConnection) -> Void)?
  private let onEnd: @Sendable (HTTP2ServerConnection) -> Void
  /// Streams that the client has opened.
  @exclusivity(unchecked) package private(set) var openedStreams = 0
  /// Until the handshake is over.
  private var handshakeSlot: HandshakeLimit.Slot?
  /// Why the connection came to nothing before the client's SETTINGS; set when it ends.
  package private(set) var refusal: String?
  /// Nil where it has ended as it should.
  package private(set) var endReason: String?
  @exclusivity(unchecked) private var isDraining = false
  private var timers: [LoopTimer] = []
  /// Until the client's SETTINGS are here.
  private var handshakeTimer: LoopTimer?
  private var keepalive: LoopTimer?
  private var idleTimer: LoopTimer?
  private var idleSince = ContinuousClock.now
  let lastRequest = RequestMemo()
  @exclusivity(unchecked) private var lastReceived = ContinuousClock.now
  @exclusivity(unchecked) private var pingStrikes: PingStrikes
  @exclusivity(unchecked) private var resetLimit: StreamResetLimit
  @exclusivity(unchecked) private var hasTooManyResets = false
  @exclusivity(unchecked) private var openCalls = 0
  /// Made for the first of them.
  @exclusivity(unchecked) private var lingering: LingeringHandlers?
  /// What begins once the client takes what it has been answered, in order.
  private var heldBack: [() -> Void] = []
  /// The shutdown notice's ping: its answer proves that the client has seen the notice.
  private static let drainPing: UInt64 = 0x766f_6c65_7279_0001
  private static let keepalivePing: UInt64 = 0x766f_6c65_7279_0002

  package init(
    socket: Socket, acceptor: any ServerStreamAcceptor, options: ServerConnectionOptions,
    security: (any TransportSecurity)?,
    handshakeSlot: HandshakeLimit.Slot? = nil, onReady: (@Sendable (HTTP2ServerConnection) -> Void)? = nil,
    onEnd: @escaping @Sendable (HTTP2ServerConnection) -> Void
  ) {
    self.onReady = onReady
    self.handshakeSlot = handshakeSlot
    self.acceptor = acceptor
    maxMessageBytes = acceptor.maxRequestMessageBytes
    self.options = options
    self.onEnd = onEnd
    self.pingStrikes = PingStrikes(
      interval: options.minPingInterval, permitsPingsWithoutCalls: options.permitsPingsWithoutCalls)
    self.resetLimit = StreamResetLimit(options.maxStreamResets, now: .now)
    super.init(socket: socket, role: .server, settings: options.http2, buffers: options.buffers, security: security)
    start()
    scheduleTimers()
  }

  private func scheduleTimers() {
    handshakeTimer = loop.schedule(after: options.handshakeTimeout) { [unowned self] in
      let isInHandshake = security.map { !$0.isEstablished } ?? false
      finish("no \(isInHandshake ? "TLS handshake" : "HTTP/2 preface") within \(options.handshakeTimeout)")
    }
    if let age = options.maxAge {
      schedule(after: age * Double.random(in: 0.9...1.1)) { [unowned self] in
        drain(debugData: "max_age")
        if let grace = options.maxAgeGrace { schedule(after: grace) { [unowned self] in finish("max_age") } }
      }
    }
    scheduleIdleCheck()
    scheduleKeepalive(after: options.keepaliveTime)
  }

  private func schedule(after delay: Duration, _ work: @escaping () -> Void) {
    timers.append(loop.schedule(after: delay, work))
  }

  override func handshakeDone() { handshakeSlot = nil }

  private var isReady = false

  package override func settingsReceived() {
    guard !isReady else { return }
    isReady = true
    handshakeTimer.take()?.cancel()
    onReady?(self)
  }

  override var reasonForTLSBytes: String { "the client speaks TLS to a plaintext port" }

  // MARK: Streams

  package override func streamOpened() -> HTTP2Stream? {
    openCalls += 1
    openedStreams += 1
    return HTTP2ServerStream(
      connection: self, maxMessageBytes: maxMessageBytes, windowByteCount: options.http2.streamWindowByteCount)
  }

  // MARK: Resets

  func callEndedWell() { resetLimit.callEndedWell() }

  /// The client has reset a call, before the server was done with it.
  func callWasReset(_ handler: (any ServerStreamHandler)?) {
    if let timeout = handler?.timeout, let remaining = handler?.deadline.timeRemaining,
      StreamResetLimit.isExcused(remaining: remaining, timeout: timeout)
    {
      return
    }
    if resetLimit.reset(now: lastReceived) { hasTooManyResets = true }
  }

  /// What this turn came to is looked at once.
  override func turnEnded() -> Bool {
    let resets = session.takeResetsSent()
    if resets > 0, resetLimit.reset(resets, now: lastReceived) { hasTooManyResets = true }
    guard hasTooManyResets, !isOver else { return false }
    hasTooManyResets = false
    session.submitGoAway(.enhanceYourCalm, debugData: "too_many_resets")
    end("too_many_resets")
    return true
  }

  func streamEnded() {
    openCalls -= 1
    if openCalls == 0, options.maxIdle != nil { idleSince = .now }
  }

  var lingeringHandlers: LingeringHandlers {
    if let lingering { return lingering }
    let made = LingeringHandlers()
    lingering = made
    return made
  }

  /// Why a call that has just been opened can't be taken; nil: it can. The client keeps to the limit of streams, but the
  /// handlers of those that it has reset may run on, and what waits takes memory.
  var refusalOfCalls: Status? {
    if refusesCalls {
      return Status(code: .resourceExhausted, message: "the server is at its limit of bytes of messages that wait")
    }
    guard let lingering, openCalls + lingering.count > Int(options.maxConcurrentStreams) else { return nil }
    return Status(
      code: .resourceExhausted,
      message: "the connection is at its limit of \(options.maxConcurrentStreams) calls: handlers of calls that were "
        + "cancelled still run")
  }

  // MARK: Clients that take nothing

  func holdBack(_ work: @escaping () -> Void) {
    heldBack.append(work)
    buffers.isPeerAwaited = true
  }

  override func peerCaughtUp() {
    guard !heldBack.isEmpty else { return }
    let work = heldBack
    heldBack = []
    for begin in work { begin() }
  }

  private func scheduleIdleCheck() {
    guard let idle = options.maxIdle else { return }
    let quiet = openCalls > 0 ? .zero : idleSince.duration(to: .now)
    guard quiet < idle else { return drain(debugData: "max_idle") }
    idleTimer = loop.schedule(after: idle - quiet) { [unowned self] in scheduleIdleCheck() }
  }

  // MARK: Draining

  /// The two-step GOAWAY: announces the end, and once the client has answered a ping, or a second has passed, refuses new
  /// streams. Closes when the last call has ended. May be called twice.
  package func drain(debugData: String = "") {
    guard !isDraining, !isOver else { return }
    isDraining = true
    session.submitShutdownNotice()
    session.submitPing(HTTP2ServerConnection.drainPing)
    drainReason = debugData
    schedule(after: .seconds(1)) { [unowned self] in sendFinalGoAway() }
    setNeedsFlush()
  }

  private var drainReason = ""
  private var hasSentFinalGoAway = false

  private func sendFinalGoAway() {
    guard !hasSentFinalGoAway, !isOver else { return }
    hasSentFinalGoAway = true
    session.submitGoAway(.noError, debugData: drainReason)
    setNeedsFlush()
  }

  /// Closes at once.
  package func close(reason: String) { finish(reason) }

  /// Ends the calls that are open with UNAVAILABLE and this text, then closes: once it is written, or the client has not
  /// taken it for a second.
  package func close(endingCallsWith text: String) {
    guard !isOver else { return }
    for stream in session.streams { (stream as? HTTP2ServerStream)?.cutOff(text) }
    end(text)
    schedule(after: .seconds(1)) { [unowned self] in finish(text) }
  }

  // MARK: Pings

  package override func pingReceived(_ opaque: UInt64, isAnswer: Bool) {
    if isAnswer {
      if opaque == HTTP2ServerConnection.drainPing { sendFinalGoAway() }
      return
    }
    let isForgiven = takeDataMoved()
    guard pingStrikes.isTooMany(isForgiven: isForgiven, hasCalls: openCalls > 0, now: .now) else { return }
    session.submitGoAway(.enhanceYourCalm, debugData: "too_many_pings")
    end("too_many_pings")
  }

  /// Whether HEADERS or DATA have gone out, or DATA has come in, since the last ping.
  private func takeDataMoved() -> Bool {
    defer {
      session.hasSentData = false
      session.hasReceivedData = false
    }
    return session.hasSentData || session.hasReceivedData
  }

  override func bytesReceived() { lastReceived = .now }

  private func scheduleKeepalive(after delay: Duration) {
    keepalive = loop.schedule(after: delay) { [unowned self] in
      let silence = lastReceived.duration(to: .now)
      guard silence >= options.keepaliveTime else { return scheduleKeepalive(after: options.keepaliveTime - silence) }
      let asked = ContinuousClock.now
      record.keepalivesSent += 1
      session.submitPing(HTTP2ServerConnection.keepalivePing)
      setNeedsFlush()
      keepalive = loop.schedule(after: options.keepaliveTimeout) { [unowned self] in
        if lastReceived < asked { return finish("keepalive ping not answered within \(options.keepaliveTimeout)") }
        scheduleKeepalive(after: options.keepaliveTime)
      }
    }
  }

  override func ended(error: String?) {
    for timer in timers { timer.cancel() }
    timers = []
    handshakeTimer.take()?.cancel()
    keepalive?.cancel()
    idleTimer?.cancel()
    handshakeSlot = nil
    endReason = error
    peerCaughtUp()
    if !session.peerHasSentSettings { refusal = error }
    onEnd(self)
  }
}
