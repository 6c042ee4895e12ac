import Synchronization
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// A call with interceptors around it: runs them, and the call behind the last one. What needs the types of its messages is
/// `TypedInterceptedCall`'s.
@usableFromInline class InterceptedCall: ClientInvocation, @unchecked Sendable {  // Isolation: constant
  final let call: ClientCall

  init(_ call: ClientCall, _ interceptors: [any ClientInterceptor]) {
    self.call = call
    super.init(method: call.method, metadata: call.metadata, attempt: nil, interceptors: interceptors)
  }

  final override var deadline: Deadline {
    get { call.deadline }
    set {
      call.setDeadline(newValue)
      startDeadlineTimer()
    }
  }

  final override var peer: Peer? { call.peer }

  final override var receivedInitialMetadata: Metadata { call.state.withLock { $0.incoming.metadata } ?? Metadata() }
  final override var receivedTrailingMetadata: Metadata {
    call.state.withLock { $0.outcome?.trailingMetadata } ?? Metadata()
  }

  // MARK: Running

  /// Runs it all, and settles what the caller gets.
  @usableFromInline final func run() async {
    guard call.deadline.isSet || call.terms.configuredAt == nil else {
      // In the caller's own task: nothing has to win over an interceptor that is stuck.
      return await runHere()
    }
    let task = start()
    await call.waitForVerdict()
    task.cancel()
  }

  /// The same in a task of the call's own: its deadline, and a caller who cancels, win over an interceptor that is stuck.
  /// Begins here and now, up to where the first one waits.
  final func start() -> Task<Void, Never> {
    startDeadlineTimer()
    return Task.immediate { await runHere() }
  }

  @inline(__always) private final func runHere() async {
    do {
      try await runAll()
      settle()
    } catch {
      settle(error)
    }
  }

  private final func startDeadlineTimer() {
    call.startDeadlineTimer(on: call.channel.loop) { [weak self] in self?.deadlinePassed() }
  }

  private final func deadlinePassed() {
    let holder = state.withLock { $0.holder }
    call.deadlinePassed(heldBy: holder < interceptors.count ? type(of: interceptors[holder]) : nil)
  }

  /// An interceptor that has caught how the call failed, and says nothing else, has no message for its caller.
  private final func settle() {
    let (initial, trailing) = state.withLock { ($0.initialMetadata, $0.trailingMetadata) }
    if !call.settle(initialMetadata: initial, trailingMetadata: trailing) {
      settle(StatusError(.internal, "an interceptor has ended \(method.path) with OK and without a message"))
    }
  }

  private final func settle(_ error: any Error) {
    let error = outcome(of: error)
    let (initial, trailing) = state.withLock { ($0.initialMetadata, $0.trailingMetadata) }
    if let initial { call.state.withLock { $0.incoming.metadata = initial } }
    call.settle(
      StreamOutcome(status: error.status, trailingMetadata: trailing ?? error.metadata, origin: error.origin)
        .with(peer: error.peer ?? call.peer))
  }

  // MARK: Behind the last interceptor

  final override func begin(from index: Int) throws(StatusError) {
    let (mayGoOn, metadata, isHooked) = state.withLock { ($0.goOn(index), $0.metadata, !$0.requestHooks.isEmpty) }
    guard mayGoOn else { throw Interception.error(.twice, by: interceptors[index]) }
    let snapshot = call.channel.published.current
    call.setMetadata(metadata)
    call.configure(in: snapshot)
    if call.deadline.isSet { startDeadlineTimer() }
    call.goOn(with: try request(isHooked: isHooked), snapshot)
  }

  final override func waits(_ waiter: UnsafeContinuation<Void, Never>) -> Bool {
    call.state.withLock { $0.waitForAttempts(waiter) }
  }

  final override func cancelled() { call.cancel() }

  final override func ended(backAt index: Int) throws(StatusError) {
    let isHooked = state.withLock { state in
      state.isBack(at: index)
      return !state.responseHooks.isEmpty
    }
    if let error = call.state.withLock({ $0.outcome?.error }) { throw error }
    if isHooked, call.hasOneResponse { try hookResponse() }
  }

  /// The one response of a method whose server does not stream: the hooks see it before `next` returns.
  private final func hookResponse() throws(StatusError) {
    guard let received = call.state.withLock({ $0.response }) else { return }
    let bytes = try call.bytes(of: received)
    do {
      guard let hooked = try hooked(bytes) else { return }
      call.state.withLock { $0.response = ReceivedMessage(hooked, isCompressed: false) }
    } catch {
      throw outcome(of: error)
    }
  }

  /// A response as the hooks leave it. Nil: nobody wants to see it.
  final func hooked(_ bytes: [UInt8]) throws -> [UInt8]? {
    let hooks = state.withLock { $0.responseHooks }
    guard !hooks.isEmpty else { return nil }
    var message = responseMessage(bytes)
    try hooks.apply(to: &message)
    return try message.bytes()
  }

  final override func respond(_ message: some Sendable) throws(StatusError) {
    let answer = ReceivedMessage(try encodeAnswer(message), isCompressed: false)
    state.withLock { $0.hasAnswered = true }
    guard let waiters = call.state.withLock({ $0.answered(answer, isOnlyOne: call.hasOneResponse) }) else {
      throw StatusError(.internal, "an interceptor answers \(method.path) twice")
    }
    waiters.resumeAll()
  }

  // MARK: The subclass's

  /// The one request of a call whose client does not stream; nil: it does.
  func request(isHooked: Bool) throws(StatusError) -> MessageFrame? { nil }

  /// A response for the hooks.
  func responseMessage(_ bytes: [UInt8]) -> InterceptedMessage { fatalError("the subclass's") }

  /// The bytes of an interceptor's own answer.
  ///
  /// - Throws: INTERNAL where it is of another type, or can't be serialized.
  func encodeAnswer(_ message: any Sendable) throws(StatusError) -> [UInt8] { fatalError("the subclass's") }
}
