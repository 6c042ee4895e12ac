import CLibUV
import Synchronization
import VoleryPlatform
import VoleryPrimitives

/// One thread that runs one libuv loop. Everything that belongs to a connection happens here, in *turns*:
///
///     what came in (bytes, a timer, work from other threads) -> the Swift jobs that this made ready -> one flush of
///     each connection that has something to send
///
/// It is a TaskExecutor: a task that prefers it runs its synchronous parts on this thread, so it touches its connection
/// without a hop. Lives until `stop`.
///
/// More than 15 stored properties: what a turn needs, without a step in between, and what keeps it on cache lines of its own.
package final class EventLoop: TaskExecutor, @unchecked Sendable {  // Isolation: loop
  // Only touched on the loop's thread, but for what is marked.
  let uv: UnsafeMutablePointer<uv_loop_t>
  let readBuffer: UnsafeMutableRawBufferPointer
  private let wake: UnsafeMutablePointer<uv_async_t>
  private let prepare: UnsafeMutablePointer<uv_prepare_t>
  private let timers: TimerQueue
  @exclusivity(unchecked) private var jobs = Queue<LoopJob>()
  @exclusivity(unchecked) private var dirty: [any TurnFlushing] = []
  private var isStopping = false
  /// Few: looked through from the front.
  @exclusivity(unchecked) private var locals: [(type: ObjectIdentifier, value: AnyObject)] = []
  /// Any thread: what the loop runs now.
  package let activity = LoopActivity()
  private var thread: UInt  // Written once before the loop is handed out.

  /// An array of closures wraps each of them, and allocates memory for that.
  private struct Work {
    let run: @Sendable () -> Void
  }

  /// Any thread: what other threads have given the loop to do.
  private struct Inbox {
    var work: [Work] = []
    var jobs: [LoopJob] = []
    /// The loop has ended: what comes now stays here.
    var isClosed = false
    var isEmpty: Bool { work.isEmpty && jobs.isEmpty }

    mutating func removeAll() {
      work.removeAll(keepingCapacity: work.capacity <= 4096)
      jobs.removeAll(keepingCapacity: jobs.capacity <= 4096)
    }
  }
  private let inbox = Mutex(Inbox())
  /// Empty, but with the memory of the last one that was taken.
  @exclusivity(unchecked) private var spareInbox = Inbox()
  /// Any thread: true from before the loop looks at its inbox for the last time until it wakes up.
  private let isAsleep = Atomic<Bool>(false)
  /// Nil: the loop waits as soon as there is nothing to do.
  private let spinning: SpinningRun?
  private let after = CacheLines.Padding()

  /// The most jobs that run before the loop looks at its sockets again.
  private static let jobsPerTurn = 1024
  /// The same for flushes.
  private static let flushesPerTurn = 4096

  /// - Parameter limit: How long it looks again before it waits (`LoopSpin`); nil: what the process has chosen.
  /// - Throws: What the system lacks: a loop takes about five descriptors, and a thread.
  package init(spinsFor limit: Duration? = nil) throws(SocketError) {
    _ = HeapThreshold.isRaised
    uv = try EventLoop.makeLoop()
    spinning = SpinningRun(uv, limit: limit ?? LoopSpin.setting.use())
    wake = .allocate(capacity: 1)
    let code = uv_async_init(uv, wake) { _ in }
    guard code == 0 else {
      wake.deallocate()
      uv_loop_close(uv)
      uv.deallocate()
      throw SocketError(code: code, doing: "an event loop can't be made")
    }
    prepare = .allocate(capacity: 1)
    thread = ThreadCalls.currentID
    readBuffer = .allocate(byteCount: 64 << 10, alignment: 16)
    timers = TimerQueue(uv)
    uv.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    // These two only write to the handle.
    uv_prepare_init(uv, prepare)
    uv_prepare_start(prepare) { EventLoop.of($0!.pointee.loop).willSleep() }
    timers.fired = { [unowned self] in
      spinning?.workCame()
      finishTurn()
    }
    try start()
  }

  private static func makeLoop() throws(SocketError) -> UnsafeMutablePointer<uv_loop_t> {
    try checkDescriptors()
    let uv = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
    let code = uv_loop_init(uv)
    guard code == 0 else {
      uv.deallocate()
      throw SocketError(code: code, doing: "an event loop can't be made")
    }
    return uv
  }

  private func start() throws(SocketError) {
    let started = ThreadGate()
    let result = ThreadCalls.start { [self] in
      thread = ThreadCalls.currentID
      EventLoop.blockBrokenPipes()
      started.signal()
      run()
    }
    guard result == 0 else {
      closeHandles()
      finishLoop()
      throw SocketError(code: uv_translate_sys_error(result), doing: "an event loop's thread can't be started")
    }
    started.wait()
  }

  /// A peer that goes away while bytes are written to it is an error of that connection, not the end of the process. libuv
  /// can't write without the signal, which goes to the thread that writes: it stays there, and says nothing to anybody. What
  /// other threads of the process do about SIGPIPE is theirs to say.
  private static func blockBrokenPipes() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }

  private func run() {
    if let spinning { spinning.run() } else { uv_run(uv, UV_RUN_DEFAULT) }
    finishLoop()
  }

  private func finishLoop() {
    while uv_loop_close(uv) == UV_EBUSY.rawValue { uv_run(uv, UV_RUN_NOWAIT) }
    inbox.withLock { $0.isClosed = true }
    uv.deallocate()
    wake.deallocate()
    prepare.deallocate()
    readBuffer.deallocate()
  }

  static func of(_ uv: UnsafeMutablePointer<uv_loop_t>) -> EventLoop {
    Unmanaged<EventLoop>.fromOpaque(uv.pointee.data).takeUnretainedValue()
  }

  /// Whether the caller runs on this loop's thread.
  package var isCurrent: Bool { ThreadCalls.currentID == thread }

  // MARK: Work from anywhere

  /// Runs `work` on the loop, in the order of the calls. Any thread.
  package func execute(_ work: @escaping @Sendable () -> Void) {
    inbox.withLock { inbox in
      if inbox.isEmpty { wakeUp(inbox) }
      inbox.work.append(Work(run: work))
    }
  }

  package func enqueue(_ job: consuming ExecutorJob) { enqueue(LoopJob(UnownedJob(job), worker: nil)) }

  func enqueue(_ job: LoopJob) {
    if isCurrent { return jobs.append(job) }
    inbox.withLock { inbox in
      if inbox.isEmpty { wakeUp(inbox) }
      inbox.jobs.append(job)
    }
  }

  /// By the one who puts something into the empty inbox: the others find that he has seen to it. Under the inbox's lock,
  /// so that the loop does not end meanwhile.
  private func wakeUp(_ inbox: borrowing Inbox) {
    guard !inbox.isClosed else { return }
    if isAsleep.load(ordering: .sequentiallyConsistent), isAsleep.exchange(false, ordering: .sequentiallyConsistent) {
      uv_async_send(wake)
    }
  }

  /// A socket has something: what comes into the inbox from now on is looked at before the loop sleeps again.
  func wokeUp() {
    isAsleep.store(false, ordering: .relaxed)
    spinning?.workCame()
  }

  // MARK: Turns

  /// Ends a turn: runs what is ready, then flushes. Called behind everything that a loop's callback did.
  func finishTurn() {
    var budget = EventLoop.jobsPerTurn
    repeat {
      while budget > 0, let next = jobs.popFirst() {
        activity.began(next.worker?.tag ?? LoopActivity.unnamed)
        next.job.runSynchronously(on: next.worker?.asUnownedTaskExecutor() ?? asUnownedTaskExecutor())
        budget -= 1
      }
      activity.ended()
      flush()
    } while !jobs.isEmpty && budget > 0
    if !jobs.isEmpty || !dirty.isEmpty { uv_async_send(wake) }
  }

  /// Connections that ask again while they are flushed have their turn, too, but not for ever: the loop has sockets to look at.
  private func flush() {
    guard !dirty.isEmpty else { return }
    var index = 0
    while index < dirty.count, index < EventLoop.flushesPerTurn {
      let connection = dirty[index]
      connection.isMarkedDirty = false
      connection.flush()
      index += 1
    }
    if index == dirty.count { dirty.removeAll(keepingCapacity: true) } else { dirty.removeFirst(index) }
  }

  /// Calls `connection.flush` once at the end of this turn. On the loop.
  package func afterTurn(_ connection: any TurnFlushing) {
    guard !connection.isMarkedDirty else { return }
    connection.isMarkedDirty = true
    dirty.append(connection)
  }

  /// Before the loop waits for its sockets: takes over what other threads have left, until there is nothing.
  private func willSleep() {
    isAsleep.store(false, ordering: .relaxed)
    for _ in 0..<64 {
      takeInbox()
      finishTurn()
      isAsleep.store(true, ordering: .sequentiallyConsistent)
      if inbox.withLock({ $0.isEmpty }) { return }
      isAsleep.store(false, ordering: .relaxed)
    }
    uv_async_send(wake)
  }

  private func takeInbox() {
    guard !inbox.withLock({ $0.isEmpty }) else { return }
    var taken = spareInbox
    spareInbox = Inbox()
    inbox.withLock { swap(&$0, &taken) }
    if !taken.isEmpty { spinning?.workCame() }
    for work in taken.work { work.run() }
    for job in taken.jobs { jobs.append(job) }
    taken.removeAll()
    spareInbox = taken
  }

  // MARK: What each loop has one of

  /// The loop's own value of this type, made when first asked for; it lives as long as the loop. On the loop.
  package func local<Value: AnyObject>(_ make: () -> Value) -> Value {
    for local in locals where local.type == ObjectIdentifier(Value.self) {
      return unsafeDowncast(local.value, to: Value.self)
    }
    let value = make()
    locals.append((ObjectIdentifier(Value.self), value))
    return value
  }

  // MARK: Timers

  /// Runs `work` once this time has passed. On the loop.
  package func schedule(after delay: Duration, _ work: @escaping () -> Void) -> LoopTimer {
    timers.schedule(after: delay, work)
  }

  // MARK: The end

  /// Ends the loop's thread once its handles are closed. What is still open keeps it running.
  package func stop() {
    execute { [self] in
      guard !isStopping else { return }
      isStopping = true
      closeHandles()
    }
  }

  private func closeHandles() {
    timers.close()
    uv_close(UnsafeMutableRawPointer(wake).assumingMemoryBound(to: uv_handle_t.self), nil)
    uv_close(UnsafeMutableRawPointer(prepare).assumingMemoryBound(to: uv_handle_t.self), nil)
  }
}

/// Something that collects output during a turn and sends it at the turn's end.
package protocol TurnFlushing: AnyObject {
  /// Kept by the loop; false at first.
  var isMarkedDirty: Bool { get set }
  func flush()
}
