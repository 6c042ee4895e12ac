import Synchronization
import VoleryLoadBalancing
import VoleryObservation
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// One call of a client from its start to its one outcome, over as many attempts as it takes: what holds for all of them, and
/// what drives them. Carries bytes; the typed calls (`Channel.unary` and the streaming ones) put messages on top.
///
/// Called from the caller's tasks, from the connections' loops and from the channel's control plane: the state is a value
/// behind a lock that is held for a few instructions, and whatever it decides is done after the lock is released.
final class ClientCall: PickWaiter, Sendable {
  let channel: DataPlane
  let method: MethodDescriptor
  let startedAt: Moment
  private let options: CallOptions
  private let contentSubtype: String?
  private let waitsForReady: Atomic<Bool>
  private let responseLimit: Atomic<Int>
  private let requestLimit: Atomic<Int>
  let compression: Compression
  /// Whether the response that was taken last came compressed.
  let wasResponseCompressed = Atomic<Bool>(false)
  let state: Mutex<ClientCallState>
  /// Interceptors stand around it: they start it, and say what the caller gets.
  let isIntercepted: Bool
  /// Who hears of its attempts and its end; nil: nobody.
  let observer: (any CallObserver)?
  /// What the channel's config selector has said of it; nil without one. Set before the first attempt.
  nonisolated(unsafe) private(set) var selection: CallSelection?  // Isolation: constant
  /// It was made before the resolver had answered: what holds for it is known only later, before its first attempt.
  private let isEarly: Bool
  /// The picker with which that became known (`PublishedPicker.configuredAt`).
  @exclusivity(unchecked) nonisolated(unsafe) private var configuredAt: PickerGeneration?  // Isolation: loop
  /// As the last interceptor has left it; set before the call starts.
  nonisolated(unsafe) private(set) var metadata: Metadata  // Isolation: constant
  /// Nil for a call without a deadline.
  let deadlineTimer: DeadlineTimer?
  /// The server sends one message: nobody looks at it before the end.
  let hasOneResponse: Bool
  /// Nobody can ask for anything that the server says before the end, and there is one attempt at a time.
  let keepsAnswerOnAttempt: Bool

  /// The call counts for the channel from here on, and until it has ended.
  ///
  /// - Parameter snapshot: What the channel's control plane has published, read once.
  init(
    channel: DataPlane, snapshot: borrowing PublishedPicker, method: MethodDescriptor, contentSubtype: String?,
    options: consuming CallOptions, isIntercepted: Bool = false
  ) {
    var configuration: MethodConfig?
    configuredAt = snapshot.configuredAt
    isEarly = snapshot.configuredAt == nil
    if let selector = snapshot.selector {
      let selection = CallSelection(selector, method, options.metadata)
      configuration = selection.methodConfig
      self.selection = selection
    } else if !isEarly {
      configuration = snapshot.methodConfig(for: method)
    }
    let now = Moment.now
    self.channel = channel
    self.method = method
    self.contentSubtype = contentSubtype
    startedAt = now
    waitsForReady = Atomic(ClientCall.waitsForReady(options, configuration))
    let deadline = ClientCall.deadline(options, configuration: configuration, now: now)
    self.isIntercepted = isIntercepted
    // An interceptor may set one where there is none, and so may a configuration that is not known yet.
    deadlineTimer = deadline.isSet || isIntercepted || isEarly ? DeadlineTimer(deadline) : nil
    observer = channel.observer?.callStarted(
      ObservedCall(channel: channel.observed, method: method, deadline: deadline))
    hasOneResponse = method.kind == .unary || method.kind == .clientStreaming
    requestLimit = Atomic(ClientCall.maxRequestBytes(options, configuration))
    responseLimit = Atomic(ClientCall.maxResponseBytes(options, configuration, channel))
    compression = options.compression ?? channel.options.compression
    let strategy = AttemptStrategy(method, configuration)
    keepsAnswerOnAttempt = method.kind == .unary && !strategy.isHedging && !isEarly
    metadata = selection?.metadata ?? options.metadata
    self.options = options
    // Made in place: a variable of it would be copied.
    state = Mutex(ClientCallState(strategy: strategy, isIntercepted: isIntercepted))
    channel.callStarted()
  }

  private static func waitsForReady(_ options: borrowing CallOptions, _ configuration: MethodConfig?) -> Bool {
    options.waitForReady ?? configuration?.waitForReady ?? false
  }

  private static func maxRequestBytes(_ options: borrowing CallOptions, _ configuration: MethodConfig?) -> Int {
    limit(options.maxRequestMessageBytes, configuration?.maxRequestMessageBytes, default: Int(UInt32.max))
  }

  private static func maxResponseBytes(
    _ options: borrowing CallOptions, _ configuration: MethodConfig?, _ channel: DataPlane
  ) -> Int {
    limit(
      options.maxResponseMessageBytes, configuration?.maxResponseMessageBytes,
      default: channel.options.maxResponseMessageBytes)
  }

  /// The smaller of what the call and the service config ask for, else the default (doc/service_config.md).
  private static func limit(_ option: Int?, _ configured: Int?, default fallback: Int) -> Int {
    switch (option, configured) {
    case (let option?, let configured?): min(option, configured)
    case (let limit?, nil), (nil, let limit?): limit
    case (nil, nil): fallback
    }
  }

  private static func deadline(
    _ options: borrowing CallOptions, configuration: MethodConfig?, now: Moment
  ) -> Deadline {
    var deadline = options.deadline
    if let timeout = options.timeout { deadline = min(deadline, Deadline(now.advanced(by: timeout))) }
    if let timeout = configuration?.timeout { deadline = min(deadline, Deadline(now.advanced(by: timeout))) }
    if options.inheritsDeadline { deadline = min(deadline, CallScope.deadline) }
    return deadline
  }

  var deadline: Deadline { deadlineTimer?.deadline ?? .none }

  /// What is accepted at most, in bytes of a message.
  var maxResponseBytes: Int { responseLimit.load(ordering: .relaxed) }
  /// What is sent at most, in bytes of a message.
  var maxRequestBytes: Int { requestLimit.load(ordering: .relaxed) }
  private var waitForReady: Bool { waitsForReady.load(ordering: .relaxed) }
  /// The configuration may still set a deadline.
  var mayGetDeadline: Bool { deadline.isSet || isEarly }

  var authority: String { options.authority ?? channel.authority }

  /// The channel's, then the call's own.
  var credentials: [any CallCredentials] {
    guard let own = options.credentials else { return channel.options.callCredentials }
    return channel.options.callCredentials + [own]
  }

  // MARK: Attempts

  /// Starts a call whose client does not stream.
  func start<Request>(
    with request: Request, _ serializer: Serializer<Request>, _ snapshot: borrowing PublishedPicker
  ) throws(StatusError) {
    let frame = try frame(request, serializer)
    state.withLock { $0.outbox = Outbox(only: frame) }
    start(snapshot)
  }

  /// Starts the call; its first messages may already be queued.
  func start(_ snapshot: borrowing PublishedPicker) {
    let refusal = configure(by: snapshot)
    if let refusal = channel.refusal ?? refusal ?? metadataRefusal {
      fail(refusal)
      return
    }
    if deadline.moment <= startedAt { return deadlinePassed() }
    begin(with: channel.pick(pickRequest, waitForReady: waitForReady, in: snapshot), startedAt)
  }

  /// Nothing of the call has begun, and it may have been made before it was known what holds for it.
  ///
  /// - Returns: What it ends with.
  private func configure(by snapshot: borrowing PublishedPicker) -> StatusError? {
    if let selection { return selection.failure }
    let isNew = isEarly && configuredAt != snapshot.configuredAt
    if isNew { configuredAt = snapshot.configuredAt }
    guard let selector = snapshot.selector else {
      return isNew ? adopt(snapshot.methodConfig(for: method)) : nil
    }
    let selection = CallSelection(selector, method, metadata)
    self.selection = selection
    if let changed = selection.metadata { metadata = changed }
    return selection.failure ?? (isNew ? adopt(selection.methodConfig) : nil)
  }

  /// What the configuration says after all.
  ///
  /// - Returns: As for `configure`.
  private func adopt(_ configuration: MethodConfig?) -> StatusError? {
    waitsForReady.store(ClientCall.waitsForReady(options, configuration), ordering: .relaxed)
    responseLimit.store(ClientCall.maxResponseBytes(options, configuration, channel), ordering: .relaxed)
    let limit = ClientCall.maxRequestBytes(options, configuration)
    requestLimit.store(limit, ordering: .relaxed)
    if let timeout = configuration?.timeout {
      deadlineTimer?.set(min(deadline, Deadline(startedAt.advanced(by: timeout))))
    }
    let largest = state.withLock { state in
      state.adopt(AttemptStrategy(method, configuration))
      return state.outbox.largestMessage
    }
    return largest > limit ? tooLarge(largest, limit) : nil
  }

  private var metadataRefusal: StatusError? {
    metadata.isEmpty ? nil : metadata.violation.map { StatusError(.internal, $0) }
  }

  /// Somebody who waited for a server looks again.
  func pickerChanged() { beginAttempt() }

  /// One more attempt, where the channel's policy says; not where one has failed or runs already, if there is another server.
  private func beginAttempt() {
    guard let avoided = state.withLock({ $0.hasEnded ? nil : $0.avoided }) else { return }
    begin(with: pick(avoiding: avoided), .now)
  }

  private func begin(with pick: consuming PickOutcome, _ now: Moment) {
    switch pick {
    case .connection(let connection, let subchannel, let ticket):
      start(
        CallAttempt(call: self, connection: connection, subchannel: subchannel, ticket: ticket, startedAt: now))
    case .wait(let generation):
      if waitsForOthers() { return }
      if observer != nil { state.withLock { $0.waits(since: now) } }
      startDeadlineTimer(on: channel.loop)
      channel.wait(for: generation, self)
      // It may have ended before it waited.
      if state.withLock({ $0.hasEnded }) { channel.cancelWait(self) }
    case .fail(let error), .drop(let error):
      if !waitsForOthers() { end(explained(error, on: nil)) }
    }
  }

  private func start(_ attempt: CallAttempt) {
    switch state.withLock({ $0.attemptStarted(attempt) }) {
    case .started(nil): attempt.onLoop { attempt.begin() }
    case .started(let delay?):
      attempt.onLoop { attempt.begin() }
      next(after: delay)
    case .unwanted: attempt.onLoop { attempt.cancel(code: .cancelled) }
    }
  }

  /// No server for one more attempt: the others go on. Returns false when there are none.
  private func waitsForOthers() -> Bool {
    guard let delay = state.withLock({ $0.foundNoServer() }) else { return false }
    next(after: delay)
    return true
  }

  /// The next attempt begins after this time; any other time that was set for it counts no more.
  private func next(after delay: Duration) {
    guard delay > .zero else {
      // Not from inside: attempts that end at once would pile up on the stack.
      return channel.loop.execute { [self] in nextIsDue() }
    }
    schedule(after: delay) { $0.nextIsDue() }
  }

  private func schedule(after delay: Duration, _ work: @escaping @Sendable (ClientCall) -> Void) {
    let timer = AttemptTimer(on: channel.loop)
    let (old, isWanted) = state.withLock { state in
      let old = state.timer.take()
      if !state.hasEnded { state.timer = timer }
      return (old, !state.hasEnded)
    }
    old?.cancel()
    guard isWanted else { return }
    timer.start(after: delay) { [weak self] in
      if let self { work(self) }
    }
  }

  /// The same attempt once more, unless the call ends before.
  private func again(after delay: Duration) { schedule(after: delay) { $0.beginAttempt() } }

  private func nextIsDue() {
    switch state.withLock({ $0.nextIsDue(throttle: channel.retryThrottle) }) {
    case .begin: beginAttempt()
    case .none: return
    case .end(let waiters): attemptsEnded(waiters)
    }
  }

  func attemptEnded(_ outcome: StreamOutcome, on attempt: CallAttempt) {
    let outcome = outcome.isOK ? outcome : explained(outcome, on: attempt)
    switch state.withLock({ $0.attemptEnded(outcome, on: attempt, throttle: channel.retryThrottle) }) {
    case .none: return
    case .again(after: .zero): beginAttempt()
    case .again(let delay): again(after: delay)
    case .another(let delay): next(after: delay)
    case .end(let waiters, let abandoned):
      abandon(abandoned)
      attemptsEnded(waiters)
    }
  }

  func abandon(_ attempts: [CallAttempt]) {
    for attempt in attempts { attempt.onLoop { attempt.cancel(code: .cancelled) } }
  }

  /// By interceptors, before the call starts.
  func setMetadata(_ metadata: Metadata) { self.metadata = metadata }

  /// On whichever loop the call comes to first; there it stays.
  func startDeadlineTimer(on loop: any TransportLoop) {
    deadlineTimer?.start(on: loop) { [weak self] in self?.deadlinePassed() }
  }

  /// - Parameter metadata: Nil: the call's.
  func head(of attempt: CallAttempt, _ metadata: Metadata?) -> ClientRequestHead {
    var head = ClientRequestHead(
      path: method.path, authority: authority, timeout: deadline.timeRemaining, metadata: metadata ?? self.metadata,
      contentSubtype: contentSubtype, maxResponseMessageBytes: maxResponseBytes)
    if compression != .identity { head.messageEncoding = compression.name }
    head.acceptedEncodings = Compression.acceptedNames
    head.previousAttempts = attempt.previousAttempts
    return head
  }

  // MARK: Picking

  private static let maxRepeatedPicks = 4

  private var pickRequest: PickRequest {
    PickRequest(path: method.path, metadata: metadata, selected: selection?.selected)
  }

  /// What the policy says, preferring other servers than those of `avoided` subchannels: it is asked again a few times while
  /// it comes to one of them. What was picked in vain counts as busy meanwhile, so that policies which look at that come to
  /// another one sooner.
  private func pick(avoiding avoided: [Int]) -> PickOutcome {
    let snapshot = channel.published.current
    guard !avoided.isEmpty else {
      if isEarly || selection == nil && snapshot.selector != nil {
        if let refusal = configure(by: snapshot) ?? metadataRefusal { return .drop(refusal) }
        if deadline.moment <= .now { return .drop(StatusError(.deadlineExceeded, "the deadline passed")) }
      }
      return channel.pick(pickRequest, waitForReady: waitForReady, in: snapshot)
    }
    var rejected: [Subchannel] = []
    defer { for subchannel in rejected { subchannel.callEnded(code: .cancelled, origin: .local) } }
    while true {
      let outcome = channel.pick(pickRequest, waitForReady: waitForReady, in: snapshot)
      guard case .connection(_, let subchannel, _) = outcome, avoided.contains(subchannel.id),
        rejected.count < ClientCall.maxRepeatedPicks
      else { return outcome }
      rejected.append(subchannel)
    }
  }

  // MARK: Ending

  /// Ends the call with CANCELLED unless it is over; the server sees RST_STREAM(CANCEL).
  func cancel() {
    // Most handles of streams are let go of when their call is over.
    if state.withLock({ $0.verdict == nil }) { fail(StatusError(.cancelled, "the call was cancelled by its caller")) }
  }

  /// Ends the call from this side, unless it is over.
  func end(_ error: StatusError) {
    let origin: StatusError.Origin = error.origin == .peer ? .peer : .local
    settle(StreamOutcome(status: error.status, trailingMetadata: error.metadata, origin: origin))
  }

  /// This is what the caller gets, unless that is settled.
  func settle(_ outcome: StreamOutcome) {
    guard let (attempts, waiters) = state.withLock({ $0.settle(outcome) }) else { return }
    for attempt in attempts { attempt.onLoop { attempt.cancel(code: outcome.code) } }
    channel.cancelWait(self)
    ended(waiters)
  }

  /// Interceptors have the last word, and until then the deadline holds.
  private func attemptsEnded(_ waiters: WaiterList) {
    if isIntercepted { waiters.resumeAll() } else { ended(waiters) }
  }

  private func ended(_ waiters: WaiterList) {
    deadlineTimer?.stop()
    state.withLock { $0.timer.take() }?.cancel()
    channel.callEnded()
    selection?.commit()
    if let observer { tell(observer) }
    waiters.resumeAll()
  }

  private func tell(_ observer: any CallObserver) {
    guard let (outcome, attempts) = state.withLock({ state in state.verdict.map { ($0, state.attempts) } }) else {
      return
    }
    observer.ended(
      CallEnd(
        status: outcome.status, origin: outcome.origin, nanoseconds: startedAt.nanoseconds(to: .now), attempts: attempts
      ))
  }

  // MARK: Waiting

  /// Suspends until woken, unless `register` finds that there is no need. A cancelled task cancels the call.
  func suspend(_ register: (inout ClientCallState, WaiterList.Waiter) -> Bool) async {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (waiter: WaiterList.Waiter) in
        if !state.withLock({ register(&$0, waiter) }) { waiter.resume() }
      }
    } onCancel: {
      cancel()
    }
  }
}

extension StreamOutcome {
  /// What the caller is thrown; nil when the call ended with OK.
  var error: StatusError? {
    guard !isOK else { return nil }
    var error = StatusError(status: status, metadata: trailingMetadata, origin: origin)
    error.peer = peer
    return error.ofCall
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
