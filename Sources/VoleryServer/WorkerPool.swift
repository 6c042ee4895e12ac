import VoleryEventLoops
import VoleryPrimitives

/// The tasks in which a loop's handlers run. On its loop only.
///
/// Calls that are ready wait in a queue. One worker takes them one after another, without going back to the loop as long
/// as the handlers don't suspend; where one does, its worker stays with it, and another worker takes the rest at the end
/// of the turn. A worker that finds nothing to do waits to be resumed, which costs half of starting a task.
final class WorkerPool: TurnFlushing, @unchecked Sendable {  // Isolation: loop
  /// Owns this, and only there is it asked for.
  unowned(unsafe) let loop: EventLoop
  @exclusivity(unchecked) private var ready = Queue<ServerCall>()
  @exclusivity(unchecked) private var parked: [Worker] = []
  /// A worker will take what is ready: it has been resumed, or is taking calls in this turn.
  @exclusivity(unchecked) private var isWorkerComing = false
  @exclusivity(unchecked) var isMarkedDirty = false
  /// More than this many are not kept.
  private static let maxParked = 256

  init(loop: EventLoop) { self.loop = loop }

  /// Runs a call's handler in this turn, or on another executor if its method wants that.
  func run(_ call: ServerCall) {
    guard call.entry.runsOnLoop else { return runElsewhere(call) }
    ready.append(call)
    if !isWorkerComing { wakeWorker() }
  }

  private func runElsewhere(_ call: ServerCall) {
    if call.waitsForClient { return call.runLater() }
    var executor: (any TaskExecutor)?
    if case .taskExecutor(let own) = call.entry.executor { executor = own }
    call.handlerStarted(.task(Task(executorPreference: executor) { await call.runToEnd() }))
  }

  private func wakeWorker() {
    isWorkerComing = true
    if let worker = parked.popLast() { worker.resume() } else { Worker(pool: self, loop: loop).start() }
  }

  /// At the end of a turn: calls that are left here wait behind a handler that has suspended.
  func flush() {
    isWorkerComing = false
    if !ready.isEmpty { wakeWorker() }
  }

  fileprivate func next() -> ServerCall? {
    let call = ready.popFirst()
    isWorkerComing = !ready.isEmpty
    // This call's handler may suspend: `flush` looks after those behind it.
    if isWorkerComing { loop.afterTurn(self) }
    return call
  }

  /// The one that `next` would give.
  fileprivate var first: ServerCall? { ready.first }

  fileprivate func park(_ worker: Worker) -> Bool {
    guard parked.count < WorkerPool.maxParked else { return false }
    parked.append(worker)
    return true
  }
}

/// What a call's handler runs in. On the loop only.
enum RunningHandler {
  /// As long as it works for this call: then it is another one's.
  case worker(Worker)
  case task(Task<Void, Never>)

  func cancel(_ call: ServerCall) {
    switch self {
    case .worker(let worker): worker.cancel(call)
    case .task(let task): task.cancel()
    }
  }
}

/// A task that runs handlers. One that was cancelled with its call can't be used again, and ends.
final class Worker: @unchecked Sendable {  // Isolation: loop
  @exclusivity(unchecked) private var task: Task<Void, Never>?
  /// Only compared: whose handler runs here.
  @exclusivity(unchecked) private var current: ObjectIdentifier?
  @exclusivity(unchecked) private var waiting: UnsafeContinuation<Void, Never>?
  /// Nobody else cancels the task.
  @exclusivity(unchecked) private var isCancelled = false
  private let pool: WorkerPool
  /// Where the task runs; tells the watchdog which method runs there.
  private let executor: LoopWorker

  fileprivate init(pool: WorkerPool, loop: EventLoop) {
    self.pool = pool
    executor = LoopWorker(loop: loop)
  }

  fileprivate func start() {
    task = Task(executorPreference: executor) { [self] in await work() }
  }

  fileprivate func resume() { waiting.take()?.resume() }

  fileprivate func cancel(_ call: ServerCall) {
    guard current == ObjectIdentifier(call) else { return }
    isCancelled = true
    task?.cancel()
  }

  private func begin(_ call: ServerCall) {
    current = ObjectIdentifier(call)
    executor.turnsTo(call.tag)
    call.handlerStarted(.worker(self))
  }

  /// The handler of `call` has come to its end: the next one, if the same handler may go on with it as it is.
  func next(like call: ServerCall) -> ServerCall? {
    guard !isCancelled, let next = pool.first, next.entry === call.entry, next.isPlain, next.mayRun, !next.waitsForClient
    else { return nil }
    _ = pool.next()
    begin(next)
    return next
  }

  private func work() async {
    repeat {
      while let call = pool.next() {
        // It may have been cancelled while it waited.
        guard call.mayRun else {
          call.handlerReturned()
          continue
        }
        if call.waitsForClient {
          call.runLater()
          continue
        }
        begin(call)
        if call.isPlain {
          let run = call.entry.handler.run
          // Not held here: it may go on with others, the last of which may take its time. Only interceptors would be told of an error.
          try? await run(consume call)
          current = nil
          if isCancelled { return }
          continue
        }
        do {
          try await call.runHandler()
          if call.isIntercepted { call.interceptorsReturned(nil) }
        } catch {
          call.interceptorsReturned(error)
        }
        current = nil
        if isCancelled { return }
      }
    } while await park()
  }

  /// Waits to be resumed; false: there are enough that wait.
  private func park() async -> Bool {
    guard pool.park(self) else { return false }
    await withUnsafeContinuation { waiting = $0 }
    return true
  }
}
