import Synchronization
import VoleryEventLoops
import VoleryObservation
import VoleryPrimitives
public import VoleryTransport
import VoleryTypes

/// One call on its server: between the transport's stream and the handler's task. Its state belongs to the connection's
/// loop, where the handler runs too as a rule; a handler that runs elsewhere hops.
///
///     waiting --request complete--> running --handler returned--> finished --all sent--> closed
///                                      +--- cancelled, deadline ------^
///
/// More than 15 stored properties: there is one object for each call, because each object more would be an allocation a call.
@usableFromInline final class ServerCall: ServerStreamHandler, @unchecked Sendable {  // Isolation: loop
  let entry: ServiceTable.Entry
  let head: ServerRequestHead
  let peer: Peer
  /// As the client has it; see `deadline`.
  let clientDeadline: Deadline
  var timeout: Duration? { head.timeout }
  /// Any thread: the handler sets it, `finish` reads it.
  let responseMetadata = ResponseMetadata()
  /// Any thread, too.
  let responseCompression: ResponseCompression
  /// What interceptors leave for the handler, by the key's type (`ServerContext.subscript`). Any thread.
  let values = Mutex<[ObjectIdentifier: any Sendable]?>(nil)
  /// Says nothing for a method that no interceptor stands around.
  let interception = ServerInterception()
  /// For the handler's module, which has much of this inlined.
  @usableFromInline let isIntercepted: Bool
  let wasRequestCompressed = Atomic<Bool>(false)
  let requestCompression: Compression
  /// Nil unless somebody looks.
  @exclusivity(unchecked) var watch: ServerCallWatch?
  /// What an observer wants to hold for the handler; nil as a rule. Set before the handler starts.
  @exclusivity(unchecked) private var binding: HandlerBinding?
  /// The code with which it was ended from outside its handler; 0, which is OK's: it was not. Any thread.
  private let endCode = Atomic<Int>(0)
  /// The one that runs; timers are the stream's own loop's, which may keep a test's time.
  let loop: EventLoop
  /// The loop's, as a rule, and alive as long as it.
  private unowned(unsafe) let workers: WorkerPool
  let dispatcher: CallDispatcher

  // On the loop only.
  let stream: any ServerStream
  @exclusivity(unchecked) var inbox = Queue<ReceivedMessage>()
  @exclusivity(unchecked) var isHalfClosed = false
  @exclusivity(unchecked) private var isStarted = false
  /// Its handler runs, or waits for its turn to.
  @exclusivity(unchecked) private var isRunning = false
  @exclusivity(unchecked) private var isStreamOver = false
  /// Where the handler is counted while it runs on without its stream.
  private var lingering: LingeringHandlers?
  @exclusivity(unchecked) var isFinished = false
  @exclusivity(unchecked) var closeError: StatusError?
  @exclusivity(unchecked) var hasSentHeaders = false
  /// The tasks that wait for a request, or until more responses may be sent: the handler's own as a rule, and whichever
  /// others the handler has given its stream or its writer.
  @exclusivity(unchecked) var readers = WaiterList()
  @exclusivity(unchecked) var writers = WaiterList()
  @exclusivity(unchecked) private var handler: RunningHandler?
  /// Of a call that interceptors stand around.
  @exclusivity(unchecked) var heldResponse: MessageFrame?
  @exclusivity(unchecked) var deadlineTimer: (any TransportTimer)?

  init(
    method: ServiceTable.Entry, head: consuming ServerRequestHead, stream: any ServerStream, workers: WorkerPool,
    dispatcher: CallDispatcher, requestCompression: Compression = .identity
  ) {
    self.entry = method
    self.stream = stream
    self.peer = stream.peer
    self.loop = workers.loop
    self.workers = workers
    self.dispatcher = dispatcher
    self.clientDeadline = head.timeout.map(Deadline.after) ?? .none
    self.requestCompression = requestCompression
    let compression = dispatcher.compression
    self.responseCompression = ResponseCompression(
      head.acceptedEncodings.contains(compression) ? compression : .identity)
    isIntercepted = !method.interceptors.isEmpty
    self.head = consume head
  }

  /// What the client sent, as the handler sees it.
  var metadata: Metadata { interception.metadata ?? head.metadata }

  var hasOneRequest: Bool { entry.hasOneRequest }
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
    if let observer = dispatcher.observer {
      watch = ServerCallWatch(self, observer, on: loop, &binding)
    }
    if let timeout = head.timeout {
      deadlineTimer = stream.transportLoop.scheduleTimer(after: timeout) { [self] in deadlinePassed() }
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

  /// Nothing stands around the handler: each function in between would be a frame to make and to free.
  var isPlain: Bool { binding == nil && head.timeout == nil && !isIntercepted }

  /// The handler has answered the call. Another one that it may go on with in the same task; nil: it returns. Any thread.
  @usableFromInline func nextForHandler() -> ServerCall? {
    guard loop.isCurrent, isPlain, case .worker(let worker)? = handler else { return nil }
    return worker.next(like: self)
  }

  /// What a task does for the call.
  func runToEnd() async {
    do {
      try await runHandler()
      interceptorsReturned(nil)
    } catch {
      interceptorsReturned(error)
    }
  }

  /// The same for a worker, which calls `interceptorsReturned` itself: each wait that does not end its function costs a look at
  /// where the task should run.
  ///
  /// - Throws: What comes out of the interceptors.
  func runHandler() async throws {
    guard let binding else { return try await runInTime() }
    try await binding.run { try await runInTime() }
  }

  private func runInTime() async throws {
    guard head.timeout != nil else { return try await runChain() }
    try await CallScope.$deadline.withValue(deadline) { try await runChain() }
  }

  private func runChain() async throws {
    guard isIntercepted else { return try await entry.handler.run(self) }
    try await entry.interceptors[0].intercept(ServerInvocation(call: self), ServerInvocation.Next(call: self, index: 0))
  }

  // MARK: Events

  func messageReceived(_ message: [UInt8], isCompressed: Bool) {
    let byteCount = message.count + MessageSink.prefixByteCount
    guard !isFinished else { return stream.consume(byteCount) }
    watch?.received(
      byteCount: message.count, isCompressed: isCompressed, uncompressed: inflatedByteCount(ofRequest: message))
    if entry.hasOneRequest, !inbox.isEmpty {
      return refuse(.unimplemented, "more than one request for \(method.path)")
    }
    inbox.append(ReceivedMessage(message, isCompressed: isCompressed))
    wakeReaders()
  }

  func halfClosed() {
    isHalfClosed = true
    wakeReaders()
    guard entry.hasOneRequest, !isFinished else { return }
    guard !inbox.isEmpty else { return refuse(.unimplemented, "no request for \(method.path)") }
    start()
  }

  func writable() { wakeWriters() }

  func closed(_ given: StatusError?) {
    let error = given.map(endOfTime)
    if let error { cancel(error) }
    isFinished = true
    deadlineTimer?.cancel()
    deadlineTimer = nil
    wakeAll()
    if !isStreamOver { watch?.ended(error) }
    isStreamOver = true
    guard isRunning else { return dispatcher.callEnded() }
    // A place is free once the handler has returned: whoever opens streams and resets them must not start ever more.
    lingering = stream.lingeringHandlers
    lingering?.count += 1
  }

  /// A client resets its call when the time is over, and the server has the same deadline, later by what the headers took to come:
  /// which of the two is first is chance, and the call has run past its deadline either way.
  private func endOfTime(_ error: StatusError) -> StatusError {
    guard error.code == .cancelled, let timeout = head.timeout, let left = clientDeadline.timeRemaining,
      Deadline.isReached(left: left, of: timeout)
    else { return error }
    return StatusError(.deadlineExceeded, "the deadline passed on the client")
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
  func refuse(_ code: StatusCode, _ message: String) {
    let error = StatusError(code, message)
    finish(error.status, trailing: Metadata())
    cancel(error)
  }

  func cancel(_ error: StatusError) {
    guard closeError == nil else { return }
    closeError = error
    if !inbox.isEmpty { inbox = Queue() }
    endCode.store(error.code.rawValue, ordering: .relaxed)
    handler.take()?.cancel(self)
    wakeAll()
  }
}

// What observers are told of a call that has come.
extension ServerCall: ObservedServerCallFacts {
  var server: ObservedServer { dispatcher.server }
  var isRegistered: Bool { !entry.isFallback }
  var sentMetadata: Metadata { head.metadata }
}
