import Synchronization
import VoleryHTTP2Transport
import VoleryObservation
import VoleryPrimitives
public import VoleryTransport
public import VoleryTypes

/// One call on its server: between the transport's stream and the handler's task. Its state belongs to the connection's
/// loop, where the handler runs too as a rule; a handler that runs elsewhere hops.
///
///     waiting --request complete--> running --handler returned--> finished --all sent--> closed
///                                      +--- cancelled, deadline ------^
@usableFromInline final class ServerCall: ServerStreamHandler, @unchecked Sendable {  // Isolation: loop
  struct ResponseMetadata {
    var initial = Metadata()
    var trailing = Metadata()
  }

  private let entry: ServiceTable.Entry
  let head: ServerRequestHead
  let peer: Peer
  /// As the client has it; see `deadline`.
  let clientDeadline: Deadline
  var timeout: Duration? { head.timeout }
  /// Any thread: the handler sets it, `finish` reads it.
  let responseMetadata = Mutex(ResponseMetadata())
  /// Any thread, too.
  let responseCompression: ResponseCompression
  /// What interceptors leave for the handler, by the key's type (`ServerContext.subscript`). Any thread.
  let values = Mutex<[ObjectIdentifier: any Sendable]>([:])
  /// Nil for a method that no interceptor stands around.
  let interception: ServerInterception?
  /// For the handler's module, which has much of this inlined.
  @usableFromInline let isIntercepted: Bool
  let wasRequestCompressed = Atomic<Bool>(false)
  let requestCompression: Compression
  /// Nil unless somebody looks.
  @exclusivity(unchecked) private var watch: ServerCallWatch?
  /// What an observer wants to hold for the handler; nil as a rule.
  private let binding: HandlerBinding?
  /// The code with which it was ended from outside its handler; 0, which is OK's: it was not. Any thread.
  private let endCode = Atomic<Int>(0)
  let loop: any TransportLoop
  private let workers: WorkerPool
  let dispatcher: CallDispatcher

  // On the loop only.
  private let stream: any ServerStream
  @exclusivity(unchecked) private var inbox = Queue<ReceivedMessage>()
  @exclusivity(unchecked) private var isHalfClosed = false
  @exclusivity(unchecked) private var isStarted = false
  /// Its handler runs, or waits for its turn to.
  @exclusivity(unchecked) private var isRunning = false
  @exclusivity(unchecked) private var isStreamOver = false
  /// Where the handler is counted while it runs on without its stream.
  private var lingering: LingeringHandlers?
  @exclusivity(unchecked) private(set) var isFinished = false
  @exclusivity(unchecked) private var closeError: StatusError?
  @exclusivity(unchecked) private var hasSentHeaders = false
  /// The tasks that wait for a request, or until more responses may be sent: the handler's own as a rule, and whichever
  /// others the handler has given its stream or its writer.
  @exclusivity(unchecked) private var readers = WaiterList()
  @exclusivity(unchecked) private var writers = WaiterList()
  @exclusivity(unchecked) private var handler: RunningHandler?
  @exclusivity(unchecked) var deadlineTimer: (any TransportTimer)?

  /// Bytes that may wait in the transport before a writer has to.
  private static let highWaterMark = 64 << 10

  init(
    method: ServiceTable.Entry, head: consuming ServerRequestHead, stream: any ServerStream, workers: WorkerPool,
    dispatcher: CallDispatcher, requestCompression: Compression = .identity
  ) {
    self.entry = method
    self.stream = stream
    self.peer = stream.peer
    self.loop = stream.transportLoop
    self.workers = workers
    self.dispatcher = dispatcher
    self.clientDeadline = head.timeout.map(Deadline.after) ?? .none
    self.requestCompression = requestCompression
    if let observer = dispatcher.observer {
      let watch = ServerCallWatch(
        dispatcher.observed(method.handler.descriptor, isRegistered: !method.isFallback, head, peer), observer,
        on: workers.loop)
      self.watch = watch
      binding = watch?.binding
    } else {
      binding = nil
    }
    let compression = dispatcher.compression
    self.responseCompression = ResponseCompression(
      head.acceptedEncodings.contains(compression) ? compression : .identity)
    isIntercepted = !method.interceptors.isEmpty
    interception = isIntercepted ? ServerInterception(method.interceptors, metadata: head.metadata) : nil
    self.head = head
  }

  /// What the client sent, as the handler sees it.
  var metadata: Metadata { interception?.state.withLock { $0.metadata } ?? head.metadata }

  var executor: MethodHandler.Executor { entry.executor }
  var hasOneResponse: Bool { entry.handler.hasOneResponse }
  var method: MethodDescriptor { entry.handler.descriptor }
  /// Names the method to the watchdog.
  var tag: UInt { entry.tag }
  /// Whether the request that was read last came compressed.
  var isRequestCompressed: Bool { wasRequestCompressed.load(ordering: .relaxed) }
  var isCancelled: Bool { endCode.load(ordering: .relaxed) != 0 }
  /// Nil where it was not: see `isCancelled`.
  var endedBy: StatusCode? { isCancelled ? StatusCode(rawValue: endCode.load(ordering: .relaxed)) : nil }

  // MARK: Starting

  /// On the loop, once, when the headers are there.
  func accepted() {
    if let timeout = head.timeout {
      deadlineTimer = loop.scheduleTimer(after: timeout) { [self] in deadlinePassed() }
    }
    if !entry.hasOneRequest { start() }
  }

  private func start() {
    guard !isStarted, !isFinished else { return }
    isStarted = true
    isRunning = true
    workers.run(self)
  }

  /// False for a call that has ended before its handler's turn came.
  var mayRun: Bool { closeError == nil }

  /// The client takes nothing of what others have been answered: the handler may not begin yet. Only where the request is there
  /// as a whole: others may be what the client waits for.
  var waitsForClient: Bool { entry.hasOneRequest && stream.isClientBehind }

  /// When the client has caught up.
  func runLater() {
    stream.whenClientCatchesUp { [self] in
      if mayRun { workers.run(self) } else { handlerReturned() }
    }
  }

  func handlerStarted(_ handler: RunningHandler) { self.handler = handler }

  /// What a worker's task does.
  func runHandler() async {
    guard let binding else { return await runInTime() }
    await binding.run { await runInTime() }
  }

  private func runInTime() async {
    guard head.timeout != nil else { return await runInterceptors() }
    await CallScope.$deadline.withValue(deadline) { await runInterceptors() }
  }

  private func runInterceptors() async {
    guard let interception else { return await runMethod() }
    do {
      try await ServerInvocation(call: self, interception: interception).run(from: 0)
      if let response = interception.held.withLock({ $0.response.take() }) { sendResponse(response) }
      settle(with: nil)
    } catch {
      settle(with: error)
    }
  }

  func runMethod() async { await entry.handler.run(self) }

  // MARK: Events

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    let byteCount = message.count + MessageSink.prefixByteCount
    guard !isFinished else { return stream.consume(byteCount) }
    watch?.received(message, isCompressed: isCompressed)
    if entry.hasOneRequest, !inbox.isEmpty {
      return refuse(.unimplemented, "more than one request for \(method.path)")
    }
    inbox.append(ReceivedMessage(message, isCompressed: isCompressed))
    readers.takeAll().resumeAll()
  }

  func halfClosed() {
    isHalfClosed = true
    readers.takeAll().resumeAll()
    guard entry.hasOneRequest, !isFinished else { return }
    guard !inbox.isEmpty else { return refuse(.unimplemented, "no request for \(method.path)") }
    start()
  }

  func writable() { writers.takeAll().resumeAll() }

  func closed(_ error: StatusError?) {
    if let error { cancel(error) }
    isFinished = true
    deadlineTimer?.cancel()
    deadlineTimer = nil
    wakeAll()
    isStreamOver = true
    watch.take()?.ended(error)
    guard isRunning else { return dispatcher.callEnded() }
    // A place is free once the handler has returned: whoever opens streams and resets them must not start ever more.
    lingering = stream.lingeringHandlers
    lingering?.count += 1
  }

  /// The handler has returned, or will not be run.
  func handlerReturned() {
    isRunning = false
    guard isStreamOver else { return }
    lingering.take()?.count -= 1
    dispatcher.callEnded()
  }

  /// Also behind the handler's end: a client that does not take the responses has no more time for it either.
  func deadlinePassed() {
    let error = StatusError(.deadlineExceeded, "the deadline passed on the server")
    if stream.queuedByteCount == 0 { finish(error.status, trailing: Metadata()) }
    isFinished = true
    watch?.answers(error.status)
    stream.finishNow(error.status)
    cancel(error)
  }

  /// Ends the call from the server's side, handler or not.
  private func refuse(_ code: StatusCode, _ message: String) {
    let error = StatusError(code, message)
    finish(error.status, trailing: Metadata())
    cancel(error)
  }

  private func cancel(_ error: StatusError) {
    guard closeError == nil else { return }
    closeError = error
    if !inbox.isEmpty { inbox = Queue() }
    endCode.store(error.code.rawValue, ordering: .relaxed)
    handler.take()?.cancel(self)
    wakeAll()
  }

  /// Whoever waits looks again: at the end of the call nobody may go on waiting.
  private func wakeAll() {
    readers.takeAll().resumeAll()
    writers.takeAll().resumeAll()
  }

  // MARK: What the handler's side does

  /// The handler has ended: with what it has thrown, or with OK. That is how the call ends, unless interceptors say
  /// something else.
  @usableFromInline func finish(with error: (any Error)?) {
    guard let interception else { return settle(with: error) }
    if let error { interception.held.withLock { $0.error = error } }
  }

  /// Ends the call.
  private func settle(with error: (any Error)?) {
    let failure = error.map { answer(to: $0) }
    // Without a closure where the handler is on the loop already.
    if loop.isCurrent { return finish(failure) }
    loop.execute { [self] in finish(failure) }
  }

  private func finish(_ failure: StatusError?) {
    handlerReturned()
    var trailing = responseMetadata.withLock { $0.trailing }
    if let failure { trailing.append(contentsOf: failure.metadata) }
    finish(failure?.status ?? .ok, trailing: trailing)
  }

  /// What a handler throws, as its client sees it: nothing of what only this server's own people should know, which goes
  /// into the log instead. What a call of the handler's own came to is no answer to the client: its text names servers
  /// behind this one, and its code would have the client act (retry) as if this server had said it.
  private func answer(to error: any Error) -> StatusError {
    switch error {
    case let error as StatusError where error.origin == .local: return error
    case is StatusError:
      dispatcher.log.report(.innerCall, error, of: self, isOver: isCancelled)
      return StatusError(.unknown, "a call that the handler made has failed")
    case is CancellationError: return StatusError(.cancelled, "the handler was cancelled")
    default:
      dispatcher.log.report(.failed, error, of: self, isOver: isCancelled)
      return StatusError(.unknown, "the handler has failed")
    }
  }

  /// An interceptor has done what it may not: the log has its name, the client has not.
  func answer(to fault: Interception.Fault, by interceptor: any ServerInterceptor) -> StatusError {
    dispatcher.log.report(.failed, Interception.error(fault, by: interceptor), of: self, isOver: isCancelled)
    return StatusError(.internal, "an interceptor of the server \(fault.rawValue)")
  }

  private func finish(_ status: Status, trailing: Metadata) {
    guard !isFinished else { return }
    isFinished = true
    // Tasks that the handler has left behind look again.
    defer { wakeAll() }
    if !inbox.isEmpty { inbox = Queue() }
    if !hasSentHeaders {
      let initial = responseMetadata.withLock { $0.initial }
      if !initial.isEmpty {
        if let violation = initial.responseViolation {
          return end(status.without("initial metadata", violation), Metadata())
        }
        watch?.sent(initial)
        stream.sendInitialMetadata(initial, messageEncoding: nil)
      }
    }
    if !trailing.isEmpty, let violation = trailing.responseViolation {
      return end(status.without("trailing metadata", violation), Metadata())
    }
    end(status, trailing)
  }

  private func end(_ status: Status, _ trailing: Metadata) {
    watch?.answers(status)
    stream.finish(status, trailingMetadata: trailing)
  }

  /// The one request of a method whose client does not stream, which is there before the handler starts: where the
  /// handler runs on the loop, it has it without waiting. Nil elsewhere.
  @usableFromInline func readyRequestBytes() throws(StatusError) -> [UInt8]? {
    guard loop.isCurrent, closeError == nil, let received = inbox.popFirst() else { return nil }
    stream.consume(received.bytes.count + MessageSink.prefixByteCount)
    return try inflate(received)
  }

  /// The same from anywhere.
  @usableFromInline func requestBytes() async throws(StatusError) -> [UInt8] {
    guard let received = try await nextMessage() else {
      throw StatusError(.unimplemented, "no request for \(method.path)")
    }
    return try inflate(received)
  }

  /// The next request's bytes of a client that streams; nil when it has finished.
  @usableFromInline func nextRequestBytes() async throws(StatusError) -> [UInt8]? {
    guard let received = try await nextMessage() else { return nil }
    return try inflate(received)
  }

  /// Sends the one response of a method whose server does not stream.
  @usableFromInline func respond(_ frame: MessageFrame) {
    if let interception { interception.held.withLock { $0.response = frame } } else { sendResponse(frame) }
  }

  func sendResponse(_ frame: MessageFrame) {
    if loop.isCurrent { return sendNow(frame) }
    loop.execute { [self] in sendNow(frame) }
  }

  func sendInitialMetadata() {
    onLoop { [self] in
      guard !isFinished, !hasSentHeaders else { return }
      sendHeaders()
    }
  }

  private func sendHeaders() {
    hasSentHeaders = true
    let compression = responseCompression.fix()
    let initial = responseMetadata.withLock { $0.initial }
    if !initial.isEmpty, let violation = initial.responseViolation { return refuse(.internal, violation) }
    watch?.sent(initial)
    stream.sendInitialMetadata(initial, messageEncoding: compression == .identity ? nil : compression.name)
  }

  private func sendNow(_ frame: MessageFrame) {
    guard !isFinished else { return }
    if !hasSentHeaders {
      sendHeaders()
      guard !isFinished else { return }
    }
    watch?.sent(frame)
    stream.send(frame)
  }

  /// Sends a response where the handler runs on the loop. Returns whether that is all: false elsewhere, where nothing is
  /// sent, and above the high-water mark.
  @usableFromInline func sendOnLoop(_ frame: MessageFrame) throws(StatusError) -> Bool {
    guard loop.isCurrent else { return false }
    guard !isOver else { throw over }
    sendNow(frame)
    return stream.queuedByteCount < ServerCall.highWaterMark
  }

  /// What is left to do after that: sends the response from anywhere, and suspends above the high-water mark. Several tasks
  /// may do so at once.
  @usableFromInline func send(_ frame: MessageFrame) async throws(StatusError) {
    var step =
      loop.isCurrent
      ? writeStep
      : await hop { [self] in
        sendNow(frame)
        return writeStep
      }
    while true {
      switch step {
      case .goOn: return
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { throw StatusError(.cancelled, "the task that writes the responses was cancelled") }
        await suspend { call, waiter in
          guard case .wait = call.writeStep else { return false }
          call.writers.add(waiter)
          return true
        }
        step = loop.isCurrent ? writeStep : await hop { [self] in writeStep }
      }
    }
  }

  private enum WriteStep: Sendable {
    case goOn
    case wait
    case failed(StatusError)
  }

  /// What a task does that has sent a response.
  private var writeStep: WriteStep {
    if isOver { return .failed(over) }
    return stream.queuedByteCount >= ServerCall.highWaterMark ? .wait : .goOn
  }

  private var isOver: Bool { isFinished || closeError != nil }

  private var over: StatusError { closeError ?? StatusError(.cancelled, "the call is over") }

  /// The next request's bytes; nil when the client has finished.
  func nextMessage() async throws(StatusError) -> ReceivedMessage? {
    while true {
      let step = loop.isCurrent ? takeMessage() : await hop { [self] in takeMessage() }
      switch step {
      case .message(let message): return message
      case .end: return nil
      case .failed(let error): throw error
      case .wait:
        if Task.isCancelled { throw StatusError(.cancelled, "the task that reads the requests was cancelled") }
        await suspend { call, waiter in
          guard call.inbox.isEmpty, !call.isHalfClosed, !call.isOver else { return false }
          call.readers.add(waiter)
          return true
        }
      }
    }
  }

  private enum ReadStep: Sendable {
    case message(ReceivedMessage)
    case end
    case wait
    case failed(StatusError)
  }

  private func takeMessage() -> ReadStep {
    if isOver { return .failed(over) }
    if let message = inbox.popFirst() {
      stream.consume(message.bytes.count + MessageSink.prefixByteCount)
      return .message(message)
    }
    return isHalfClosed ? .end : .wait
  }

  // MARK: Coming to the loop

  private func onLoop(_ work: @escaping @Sendable () -> Void) {
    if loop.isCurrent { work() } else { loop.execute(work) }
  }

  private func hop<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
    if loop.isCurrent { return work() }
    return await withUnsafeContinuation { continuation in
      loop.execute { continuation.resume(returning: work()) }
    }
  }

  /// Suspends until woken, unless `register`, on the loop, finds that there is no need. Cancelling the waiting task wakes:
  /// others that wait, too, which look again.
  private func suspend(
    _ register: @escaping @Sendable (ServerCall, WaiterList.Waiter) -> Bool
  ) async {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { waiter in
        onLoop { [self] in
          if !register(self, waiter) { waiter.resume() }
        }
        // Cancelled before it was registered: `onCancel` may have come too early for this waiter.
        if Task.isCancelled { wakeAllLater() }
      }
    } onCancel: {
      wakeAllLater()
    }
  }

  private func wakeAllLater() {
    loop.execute { [self] in wakeAll() }
  }
}
