import Synchronization
import VoleryHTTP2Transport
import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// One call of a client from its start to its one outcome, over as many attempts as it takes. Carries bytes; the typed
/// calls (`UnaryCall` and the streaming ones) put messages on top.
///
/// Called from the caller's tasks, from the connection's loop and from the channel's control plane: the state is a value
/// behind a lock that is held for a few instructions, and whatever it decides is done after the lock is released.
final class ClientCall: PickWaiter, Sendable {
  let core: ChannelCore
  let method: MethodDescriptor
  let deadline: Deadline
  private let options: CallOptions
  private let contentSubtype: String?
  let waitForReady: Bool
  let startedAt: ContinuousClock.Instant
  private let maxRequestBytes: Int
  private let maxResponseBytes: Int
  /// How requests are compressed.
  let compression: Compression
  /// Whether the response that was taken last came compressed.
  private let wasResponseCompressed = Atomic<Bool>(false)
  let state: Mutex<ClientCallState>
  /// Nil for a call without a deadline.
  private let deadlineTimer: DeadlineTimer?
  /// Nil for a call that runs on one server at a time.
  let hedgeTimer: HedgeTimer?
  let hedgingDelay: Duration
  /// The server sends one message: nobody looks at it before the end.
  private let hasOneResponse: Bool

  /// The call counts for the channel from here on, and until it has ended.
  init(core: ChannelCore, method: MethodDescriptor, contentSubtype: String?, options: CallOptions) {
    let configuration = core.methodConfig(for: method)
    let now = ContinuousClock.now
    self.core = core
    self.method = method
    self.contentSubtype = contentSubtype
    self.options = options
    self.startedAt = now
    self.waitForReady = options.waitForReady ?? configuration?.waitForReady ?? false
    let deadline = ClientCall.deadline(options, configuration: configuration, now: now)
    self.deadline = deadline
    self.deadlineTimer = deadline.instant.map(DeadlineTimer.init)
    self.hasOneResponse = method.kind == .unary || method.kind == .clientStreaming
    self.maxRequestBytes = ClientCall.limit(
      options.maxRequestMessageBytes, configuration?.maxRequestMessageBytes, default: Int(UInt32.max))
    self.maxResponseBytes = ClientCall.limit(
      options.maxResponseMessageBytes, configuration?.maxResponseMessageBytes,
      default: core.options.maxResponseMessageBytes)
    self.compression = options.compression ?? core.options.compression
    let hedging = configuration?.hedgingPolicy
    let retry = hedging == nil ? ClientCall.retryPolicy(method, configuration).map { RetryState($0) } : nil
    // Made in place: a variable of it would be copied.
    self.state = Mutex(ClientCallState(retry: retry, hedging: hedging.map { HedgingState($0) }))
    self.hedgeTimer = configuration?.hedgingPolicy.map { _ in HedgeTimer() }
    self.hedgingDelay = configuration?.hedgingPolicy?.hedgingDelay ?? .zero
    core.callStarted()
  }

  /// The smaller of what the call and the service config ask for, else the default (doc/service_config.md).
  private static func limit(_ option: Int?, _ configured: Int?, default fallback: Int) -> Int {
    switch (option, configured) {
    case (let option?, let configured?): min(option, configured)
    case (let limit?, nil), (nil, let limit?): limit
    case (nil, nil): fallback
    }
  }

  private static func retryPolicy(_ method: MethodDescriptor, _ configuration: MethodConfig?) -> RetryPolicy? {
    configuration?.retryPolicy ?? (method.idempotency == .unknown ? nil : .idempotent)
  }

  private static func deadline(
    _ options: CallOptions, configuration: MethodConfig?, now: ContinuousClock.Instant
  ) -> Deadline {
    var deadline = options.deadline
    if let timeout = options.timeout { deadline = min(deadline, .at(now.advanced(by: timeout))) }
    if let timeout = configuration?.timeout { deadline = min(deadline, .at(now.advanced(by: timeout))) }
    if options.inheritsDeadline { deadline = min(deadline, CallScope.deadline) }
    return deadline
  }

  // MARK: Starting and picking

  /// Starts the call; its first messages may already be queued.
  func start() {
    if let refusal = core.refusal { return end(refusal) }
    if !options.metadata.isEmpty, let violation = options.metadata.violation {
      return fail(.internal, violation)
    }
    if let instant = deadline.instant, instant <= startedAt { return deadlinePassed() }
    pick()
  }

  var metadata: Metadata { options.metadata }

  /// - Parameter tried: Subchannels than which others are preferred.
  private func pick(besides tried: Set<Int> = []) {
    switch picked(besides: tried) {
    case .connection(let connection, let subchannel):
      startAttempt(on: connection, subchannel)
    case .wait(let generation):
      startDeadlineTimer(on: core.loop)
      core.wait(for: generation, self)
    case .fail(let error), .drop(let error):
      end(explained(error, on: nil))
    }
  }

  func pickerChanged() { pickAgain() }

  /// Not where an attempt has failed already, if there is somewhere else.
  func pickAgain() {
    let (hasEnded, failedOn) = state.withLock { ($0.hasEnded, $0.failedOn) }
    if !hasEnded { pick(besides: failedOn) }
  }

  func startAttempt(on connection: any ClientConnection, _ subchannel: Subchannel) {
    let attempt = ClientCallAttempt(call: self, connection: connection, subchannel: subchannel)
    let isWanted = state.withLock { $0.attemptStarted(attempt) }
    if hedgeTimer != nil { scheduleHedge(after: hedgingDelay) }
    attempt.onLoop { [self] in
      guard isWanted, !hasEnded else { return attempt.cancel(code: .cancelled) }
      startDeadlineTimer(on: connection.transportLoop)
      let credentials = callCredentials
      guard credentials.isEmpty else { return open(attempt, with: credentials) }
      attempt.open(head(of: attempt))
      flush(attempt)
    }
  }

  /// The channel's, then the call's own.
  private var callCredentials: [any CallCredentials] {
    guard let own = options.credentials else { return core.options.callCredentials }
    return core.options.callCredentials + [own]
  }

  /// Opens the attempt once the credentials have said what they have to say.
  private func open(_ attempt: ClientCallAttempt, with credentials: [any CallCredentials]) {
    let peer = attempt.connection.peer
    if let refusal = CallCredentialsGate.refusal(for: peer) { return end(refusal) }
    let request = CallCredentialsRequest(method: method, authority: options.authority ?? core.authority, peer: peer)
    attempt.prepare { [self] in
      do throws(StatusError) {
        let metadata = try await CallCredentialsGate.metadata(of: credentials, for: request)
        attempt.onLoop { [self] in
          attempt.open(head(of: attempt, adding: metadata))
          flush(attempt)
        }
      } catch {
        if state.withLock({ $0.isCurrent(attempt) }) { end(error) }
      }
    }
  }

  /// On whichever loop the call comes to first; there it stays.
  private func startDeadlineTimer(on loop: any TransportLoop) {
    deadlineTimer?.start(on: loop) { [weak self] in self?.deadlinePassed() }
  }

  private func head(of attempt: ClientCallAttempt, adding more: Metadata = Metadata()) -> ClientRequestHead {
    var head = ClientRequestHead(
      path: method.path, authority: options.authority ?? core.authority, timeout: deadline.timeRemaining,
      metadata: options.metadata, contentSubtype: contentSubtype, maxResponseMessageBytes: maxResponseBytes)
    if !more.isEmpty { head.metadata.append(contentsOf: more) }
    if compression != .identity { head.messageEncoding = compression.name }
    head.acceptedEncodings = Compression.acceptedNames
    head.previousAttempts = attempt.previousAttempts
    return head
  }

  private var hasEnded: Bool { state.withLock { $0.hasEnded } }

  // MARK: Sending

  /// Queues one framed message; suspends while the server or the network does not keep up.
  func send(_ frame: MessageFrame) async throws(StatusError) {
    try checkSize(of: frame)
    while true {
      switch state.withLock({ $0.send(frame) }) {
      case .queued(let attempt):
        if let attempt { attempt.onLoop { [self] in flush(attempt) } }
        if hedgeTimer != nil { flushHedges() }
        return
      case .finished:
        throw StatusError(.failedPrecondition, "the request stream is finished: nothing may be sent after that").ofCall
      case .ended(let outcome):
        throw outcome.error
          ?? StatusError(
            .failedPrecondition, "the call is over: the server answered before the end of the request stream"
          ).ofCall
      case .wait:
        await suspend { state, waiter in
          guard !state.hasEnded, !state.isHalfClosed,
            state.isTransportFull || state.unsentBytes >= ClientCallState.highWaterMark
          else {
            return false
          }
          state.writers.add(waiter)
          return true
        }
      }
    }
  }

  /// Queues the one message of a call whose client does not stream, before `start`.
  func setRequest(_ frame: MessageFrame) throws(StatusError) {
    try checkSize(of: frame)
    state.withLock { state in
      _ = state.send(frame)
      _ = state.halfClose()
    }
  }

  private func checkSize(of frame: MessageFrame) throws(StatusError) {
    let byteCount = frame.messageByteCount
    guard byteCount > maxRequestBytes else { return }
    let error = StatusError(
      .resourceExhausted, "a message of \(byteCount) bytes is over the limit of \(maxRequestBytes) for \(method.path)")
    end(error)
    throw error.ofCall
  }

  func halfClose() {
    let (attempt, writers) = state.withLock { ($0.halfClose(), $0.writers.takeAll()) }
    // Tasks that wait to send are told that it is too late.
    writers.resumeAll()
    if hedgeTimer != nil { flushHedges() }
    guard let attempt else { return }
    attempt.onLoop { [self] in flush(attempt) }
  }

  /// Gives the transport what was queued; on the attempt's loop.
  func flush(_ attempt: ClientCallAttempt) {
    guard let flush = state.withLock({ $0.takeFlush(for: attempt) }) else { return }
    if !flush.abandoned.isEmpty { abandon(flush.abandoned) }
    let queued = attempt.send(flush.frames, halfClose: flush.halfClose)
    // Nobody waits to send more to a call that has sent everything.
    guard !flush.halfClose else { return }
    state.withLock { $0.flushed(queuedBytes: queued) }.resumeAll()
  }

  func writable(on attempt: ClientCallAttempt) {
    state.withLock { $0.isCurrent(attempt) ? $0.flushed(queuedBytes: 0) : WaiterList() }.resumeAll()
  }

  // MARK: Receiving

  func initialMetadataReceived(_ metadata: Metadata, messageEncoding: String?, on attempt: ClientCallAttempt) {
    var abandoned: [ClientCallAttempt] = []
    state.withLock { state -> WaiterList in
      guard state.isCurrent(attempt) else { return WaiterList() }
      state.initialMetadata = metadata
      state.responseEncoding = messageEncoding
      abandoned = state.commit(to: attempt)
      return state.observers.takeAll()
    }.resumeAll()
    guard hedgeTimer != nil else { return }
    abandon(abandoned)
    flush(attempt)
  }

  func messageReceived(_ message: [UInt8], isCompressed: Bool, on attempt: ClientCallAttempt) {
    let message = ReceivedMessage(message, isCompressed: isCompressed)
    if hasOneResponse { return responseReceived(message, on: attempt) }
    state.withLock { state -> WaiterList in
      guard state.isCurrent(attempt) else { return WaiterList() }
      state.inbox.append(message)
      return state.readers.takeAll()
    }.resumeAll()
  }

  /// The one message of a call whose server does not stream: nobody is woken before the status is there.
  private func responseReceived(_ message: ReceivedMessage, on attempt: ClientCallAttempt) {
    let isFirst = state.withLock { !$0.isCurrent(attempt) || $0.responseReceived(message) }
    attempt.consume(message.bytes.count + MessageSink.prefixByteCount)
    if !isFirst { fail(.unimplemented, "the server sent more than one message for \(method.path)") }
  }

  func attemptClosed(_ outcome: StreamOutcome, on attempt: ClientCallAttempt) {
    let outcome = explained(outcome, on: attempt)
    if hedgeTimer != nil, hedgeClosed(outcome, on: attempt) { return }
    switch state.withLock({ $0.attemptClosed(outcome, on: attempt, throttle: core.retryThrottle) }) {
    case nil: return
    case .pickAgain: pickAgain()
    case .retry(let delay): retry(after: delay, on: attempt.connection.transportLoop) { $0.pickAgain() }
    case .end(let waiters): ended(waiters)
    }
  }

  /// Goes on in a while, unless the call ends before. On the loop.
  func retry(after delay: Duration, on loop: any TransportLoop, _ goOn: @escaping (ClientCall) -> Void) {
    let timer = RetryTimer(on: loop, after: delay) { [weak self] in
      if let self { goOn(self) }
    }
    let isWanted = state.withLock { state in
      if !state.hasEnded { state.retryTimer = timer }
      return !state.hasEnded
    }
    if !isWanted { timer.cancel() }
  }

  /// The next message; nil at the end of a call that ended with OK.
  func nextMessage() async throws(StatusError) -> ReceivedMessage? {
    while true {
      switch state.withLock({ $0.receive() }) {
      case .message(let message, let credit, let attempt):
        if let attempt { attempt.onLoop { attempt.consume(credit) } }
        return message
      case .ended(let outcome):
        if let error = outcome.error { throw error }
        return nil
      case .wait:
        await suspend { state, waiter in
          guard !state.hasEnded, state.inbox.isEmpty else { return false }
          state.readers.add(waiter)
          return true
        }
      }
    }
  }

  /// A message's bytes as the server had them.
  func inflate(_ received: ReceivedMessage) throws(StatusError) -> [UInt8] {
    wasResponseCompressed.store(received.isCompressed, ordering: .relaxed)
    guard received.isCompressed else { return received.bytes }
    let name = state.withLock { $0.responseEncoding } ?? Compression.identity.name
    guard let compression = Compression(name: name) else {
      throw StatusError(.internal, "a response is compressed with '\(name)', which the server was not offered")
    }
    return try compression.inflate(received, limit: maxResponseBytes)
  }

  var isResponseCompressed: Bool { wasResponseCompressed.load(ordering: .relaxed) }

  /// The answer of a call whose server sends one message (doc/statuscodes.md: none is UNIMPLEMENTED).
  func response<Message>(_ serializer: Serializer<Message>) async throws(StatusError) -> ClientResponse<Message> {
    await end()
    guard let answer = state.withLock({ $0.takeAnswer() }) else {
      preconditionFailure("a call was woken as if it had ended")
    }
    if let error = answer.outcome.error { throw error }
    guard let received = answer.message else {
      throw StatusError(.unimplemented, "the server ended \(method.path) with OK and without a message").ofCall
    }
    return ClientResponse(
      message: try message(received, serializer), initialMetadata: answer.initialMetadata ?? Metadata(),
      trailingMetadata: answer.outcome.trailingMetadata, peer: answer.peer, isCompressed: received.isCompressed)
  }

  /// Waits for the server's initial metadata; a call that ended without any has an empty one, or throws how it ended.
  func initialMetadata() async throws(StatusError) -> Metadata {
    await suspend { state, waiter in
      guard !state.hasEnded, state.initialMetadata == nil else { return false }
      state.observers.add(waiter)
      return true
    }
    let (metadata, outcome) = state.withLock { ($0.initialMetadata, $0.outcome) }
    if metadata == nil, let error = outcome?.error { throw error }
    return metadata ?? Metadata()
  }

  /// Waits for the end.
  func outcome() async -> StreamOutcome {
    await end()
    guard let outcome = state.withLock({ $0.outcome }) else {
      preconditionFailure("a call was woken as if it had ended")
    }
    return outcome
  }

  /// Those who wait here are woken once, by the end.
  private func end() async {
    await suspend { state, waiter in
      guard !state.hasEnded else { return false }
      state.enders.add(waiter)
      return true
    }
  }

  /// The server of the current or last attempt; nil before the first.
  var peer: Peer? { state.withLock { $0.lastPeer } }

  /// Suspends until woken, unless `register` finds that there is no need. A cancelled task cancels the call.
  private func suspend(_ register: (inout ClientCallState, WaiterList.Waiter) -> Bool) async {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (waiter: WaiterList.Waiter) in
        if !state.withLock({ register(&$0, waiter) }) { waiter.resume() }
      }
    } onCancel: {
      cancel()
    }
  }

  // MARK: Ending

  /// Ends the call with CANCELLED unless it is over; the server sees RST_STREAM(CANCEL).
  func cancel() { end(StatusError(.cancelled, "the call was cancelled by its caller")) }

  func fail(_ code: StatusCode, _ message: String) { end(StatusError(code, message)) }

  /// Ends the call from this side.
  func end(_ error: StatusError) {
    let origin: StatusError.Origin = error.origin == .peer ? .peer : .local
    let outcome = StreamOutcome(status: error.status, trailingMetadata: error.metadata, origin: origin)
    let (attempts, waiters, isFirst, timer) = state.withLock { state in
      let isFirst = !state.hasEnded
      return (state.attempts, state.end(outcome), isFirst, state.retryTimer.take())
    }
    timer?.cancel()
    for attempt in attempts { attempt.onLoop { attempt.cancel(code: error.code) } }
    if isFirst {
      core.cancelWait(self)
      ended(waiters)
    }
  }

  func ended(_ waiters: WaiterList) {
    deadlineTimer?.stop()
    if let hedgeTimer { core.loop.execute { hedgeTimer.end() } }
    core.callEnded()
    waiters.resumeAll()
  }
}

extension ClientCallState {
  var outcome: StreamOutcome? { if case .ended(let outcome) = phase { outcome } else { nil } }
}

extension StreamOutcome {
  /// What the caller is thrown; nil when the call ended with OK.
  var error: StatusError? {
    guard !status.isOK else { return nil }
    var error = StatusError(status: status, metadata: trailingMetadata, origin: origin)
    error.peer = peer
    return error.ofCall
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
