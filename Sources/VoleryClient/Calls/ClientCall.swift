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
///
/// More than 15 stored properties: the state stands beside its lock, so that it is made and destroyed where it is.
@usableFromInline final class ClientCall: CallAttempt, PickWaiter, @unchecked Sendable {  // Isolation: lock
  let channel: DataPlane
  let method: MethodDescriptor
  let contentSubtype: String?
  /// As the caller has given it.
  let givenMetadata: Metadata
  /// The same of the other options; nil: they say nothing.
  private let given: GivenOptions?
  /// The metadata as the interceptors and the config selector have left it; nil: as it was given. Changed before the first attempt
  /// only, by whoever begins it.
  @exclusivity(unchecked) nonisolated(unsafe) private var changedMetadata: Metadata?  // Isolation: handed over
  /// The same.
  @exclusivity(unchecked) nonisolated(unsafe) private(set) var terms: CallTerms  // Isolation: handed over
  /// What is sent at most, in bytes of a message.
  private let requestLimit: Atomic<Int>
  let compression: Compression
  /// Whether the response that was taken last came compressed.
  let wasResponseCompressed = Atomic<Bool>(false)
  private let lock = Mutex<Void>(())
  @exclusivity(unchecked) nonisolated(unsafe) private var state: ClientCallState  // Isolation: lock
  /// Who stands around it: they start it, and say what the caller gets.
  let interception: ClientInterception
  /// Who hears of its attempts and its end; nil: nobody. Set by `init`.
  @exclusivity(unchecked) nonisolated(unsafe) private(set) var watch: CallWatch?  // Isolation: constant
  /// What the channel's config selector has said of it; empty without one.
  let selection = OnceReference<CallSelection>()
  /// The call itself has been an attempt.
  private let isAttempt = Atomic<Bool>(false)
  /// Empty as long as the call has no deadline.
  let deadlineTimer = OnceReference<DeadlineTimer>()

  /// The call counts for the channel from here on, and until it has ended.
  ///
  /// - Parameters:
  ///   - snapshot: What the channel's control plane has published, read once.
  ///   - deadline: By what the caller says now.
  init(
    channel: DataPlane, snapshot: borrowing PublishedPicker, method: MethodDescriptor, contentSubtype: String?,
    metadata: Metadata, deadline: Deadline, given: GivenOptions?, interceptors: [any ClientInterceptor], now: Moment
  ) {
    self.channel = channel
    self.method = method
    self.contentSubtype = contentSubtype
    let isIntercepted = !interceptors.isEmpty
    interception = ClientInterception(interceptors)
    terms = CallTerms(method, given, limit: channel.options.maxResponseMessageBytes)
    requestLimit = Atomic(given?.options.maxRequestMessageBytes ?? Int(UInt32.max))
    compression = given?.options.compression ?? channel.options.compression
    givenMetadata = metadata
    self.given = given
    state = ClientCallState(
      strategy: AttemptStrategy(method), isIntercepted: isIntercepted, isObserved: channel.observer != nil)
    if deadline.isSet { _ = deadlineTimer.storeIfNil(DeadlineTimer(deadline)) }
    super.init(of: nil, startedAt: now)
    // Interceptors come before the config selector, which sees what they have made of the metadata.
    if snapshot.selector == nil || !isIntercepted { configure(in: snapshot) }
    if let all = channel.observer {
      let observed = ObservedCall(
        channel: channel.observed, method: method, deadline: self.deadline, label: given?.options.telemetryLabel)
      watch = CallWatch(observed, all)
    }
    channel.callStarted()
  }

  /// True once.
  func isFirstAttempt() -> Bool { !isAttempt.exchange(true, ordering: .relaxed) }

  /// Under the call's lock. A `Mutex` of the state would move it three times a call.
  @inline(__always) func withState<Result: ~Copyable>(_ body: (inout ClientCallState) -> Result) -> Result {
    lock._unsafeLock()
    defer { lock._unsafeUnlock() }
    return body(&state)
  }

  /// The answer of a call without interceptors that has ended and whose caller takes it now: nobody else changes its state any
  /// more. Nil: it is not OK, or compressed.
  @inline(__always) func takeSettledResponse() -> ResponseBytes? { isIntercepted ? nil : state.takeResponse() }

  var isIntercepted: Bool { !interception.isEmpty }

  var metadata: Metadata { changedMetadata ?? givenMetadata }

  /// By interceptors, before the call starts.
  func setMetadata(_ metadata: Metadata) { changedMetadata = metadata }

  var authority: String { given?.options.authority ?? channel.authority }

  /// The channel's, then the call's own.
  var credentials: [any CallCredentials] {
    guard let own = given?.options.credentials else { return channel.options.callCredentials }
    return channel.options.callCredentials + [own]
  }

  var hasOwnCredentials: Bool { given?.options.credentials != nil }

  var hasCredentials: Bool { hasOwnCredentials || !channel.options.callCredentials.isEmpty }

  /// The client sends one message, which is there before the call starts.
  var hasOneRequest: Bool { method.kind == .unary || method.kind == .serverStreaming }

  /// The server sends one message: nobody looks at it before the end.
  var hasOneResponse: Bool { method.kind == .unary || method.kind == .clientStreaming }

  var maxRequestBytes: Int { requestLimit.load(ordering: .relaxed) }

  // MARK: The deadline

  var deadline: Deadline { deadlineTimer.load()?.deadline ?? .none }

  /// Another deadline than the call was made with.
  func setDeadline(_ deadline: Deadline) {
    if let timer = deadlineTimer.load() { return timer.set(deadline) }
    guard deadline.isSet else { return }
    let timer = deadlineTimer.storeIfNil(DeadlineTimer(deadline))
    // It may have ended meanwhile, and found no timer to stop.
    if withState({ $0.hasVerdict }) { timer.stop() }
  }

  /// On whichever loop the call comes to first; there it stays.
  func startDeadlineTimer(on loop: @autoclosure () -> any TransportLoop) {
    deadlineTimer.load()?.start(on: loop()) { [weak self] in self?.deadlinePassed() }
  }

  // MARK: The channel's configuration

  /// Takes over what the control plane has published of the method, unless that is not known yet, or was taken over before.
  ///
  /// - Returns: Whether there was something to take over.
  @discardableResult func configure(in snapshot: borrowing PublishedPicker) -> Bool {
    guard let configuredAt = snapshot.configuredAt, configuredAt != terms.configuredAt else { return false }
    if terms.configuredAt != nil { forgetConfiguration() }
    terms.configuredAt = configuredAt
    if let selector = snapshot.selector {
      let selection = self.selection.load() ?? self.selection.storeIfNil(CallSelection(selector, method, metadata))
      if let changed = selection.metadata { changedMetadata = changed }
      follow(selection.methodConfig)
    } else if snapshot.hasMethodConfigs {
      follow(snapshot.serviceConfig[method])
    }
    return true
  }

  /// The resolver had failed, and has answered while the call waited: what the program's own configuration said counts no more,
  /// but for the deadline.
  private func forgetConfiguration() {
    terms = CallTerms(method, given, limit: channel.options.maxResponseMessageBytes)
    requestLimit.store(given?.options.maxRequestMessageBytes ?? Int(UInt32.max), ordering: .relaxed)
    withState { $0.follow(AttemptStrategy(method)) }
  }

  private func follow(_ configuration: MethodConfig?) {
    guard let configuration else { return }
    terms.follow(configuration, given)
    if let limit = configuration.maxRequestMessageBytes {
      requestLimit.store(min(given?.options.maxRequestMessageBytes ?? limit, limit), ordering: .relaxed)
    }
    if let timeout = configuration.timeout { setDeadline(min(deadline, Deadline(startedAt.advanced(by: timeout)))) }
    withState { $0.follow(AttemptStrategy(method, configuration)) }
  }

  /// What keeps the call from beginning, if anything: what the selector has thrown, or metadata or messages that can't be sent.
  var refusal: StatusError? {
    if let failure = selection.load()?.failure { return failure }
    if !metadata.isEmpty, let violation = metadata.violation { return StatusError(.internal, violation) }
    let count = withState { $0.outgoing.outbox.largestMessage }
    return count > maxRequestBytes ? overLimit(count) : nil
  }

  // MARK: Ending

  /// Ends the call with CANCELLED unless it is over; the server sees RST_STREAM(CANCEL).
  @usableFromInline func cancel() {
    // Most handles of streams are let go of when their call is over.
    if !withState({ $0.hasVerdict }) { fail(StatusError(.cancelled, "the call was cancelled by its caller")) }
  }

  /// Ends the call from this side, unless it is over.
  func end(_ error: StatusError) {
    let origin: StatusError.Origin = error.origin == .peer ? .peer : .local
    settle(StreamOutcome(status: error.status, trailingMetadata: error.metadata, origin: origin))
  }

  /// This is what the caller gets, unless that is settled.
  func settle(_ outcome: StreamOutcome) {
    if let settlement = withState({ $0.settle(outcome) }) { settled(settlement, outcome.code) }
  }

  /// Its interceptors have come to an end with OK: the caller gets what the call has come to, but for what they have changed.
  ///
  /// - Returns: False: there is no message to give.
  func settle(initialMetadata: Metadata?, trailingMetadata: Metadata?) -> Bool {
    if hasOneResponse, !withState({ $0.hasMessage }) { return false }
    if let settlement = withState({ $0.settle(initial: initialMetadata, trailing: trailingMetadata) }) {
      settled(settlement, .ok)
    }
    return true
  }

  private func settled(_ settlement: ClientCallState.Settlement, _ code: StatusCode) {
    for attempt in settlement.attempts { attempt.onLoop { attempt.cancel(code: code) } }
    if settlement.wasRunning { channel.cancelWait(self) }
    ended(settlement.ended)
  }

  func ended(_ ended: ClientCallState.Ended) {
    deadlineTimer.load()?.stop()
    ended.timer?.cancel()
    channel.callEnded()
    selection.load()?.commit()
    if watch != nil { tell(ended.plainOrigin) }
    ended.waiters.resumeAll()
  }

  /// - Parameter plainOrigin: As in `Ended`.
  private func tell(_ plainOrigin: StatusError.Origin?) {
    var end: CallEnd?
    let nanoseconds = startedAt.nanoseconds(to: .now)
    if let plainOrigin {
      end = CallEnd(status: Status(code: .ok), origin: plainOrigin, nanoseconds: nanoseconds, furtherAttempts: nil)
    } else {
      let (verdict, attempts) = withState { ($0.verdict, $0.past.history?.count) }
      end = verdict.map {
        CallEnd(status: $0.status, origin: $0.origin, nanoseconds: nanoseconds, furtherAttempts: attempts)
      }
    }
    if let end { watch?.observer.ended(end) }
  }

  // MARK: Waiting

  /// Suspends until woken, unless `register` finds that there is no need. A cancelled task cancels the call.
  func suspend(_ register: (inout ClientCallState, WaiterList.Waiter) -> Bool) async {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (waiter: WaiterList.Waiter) in
        if !withState({ register(&$0, waiter) }) { waiter.resume() }
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
