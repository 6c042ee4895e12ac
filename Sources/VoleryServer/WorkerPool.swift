import VoleryTransport

/// The tasks in which a loop's handlers run. A task that has ended its call waits for the next one, which costs half of
/// starting one; a task that was cancelled can't be used again and ends. On its loop only.
final class WorkerPool: @unchecked Sendable {
  private let loop: any TransportLoop
  @exclusivity(unchecked) private var parked: [Worker] = []
  /// More than this many are not kept.
  private static let maxParked = 256

  init(loop: any TransportLoop) { self.loop = loop }

  /// Starts a call's handler.
  func run(_ call: ServerCall) -> RunningHandler {
    if call.executor == .sharedPool {
      return RunningHandler(task: Task { await call.runHandler() }, worker: nil, call: call)
    }
    if let worker = parked.popLast() {
      worker.resume(with: call)
      return RunningHandler(task: worker.task!, worker: worker, call: call)
    }
    let worker = Worker(pool: self)
    worker.start(with: call, on: loop)
    return RunningHandler(task: worker.task!, worker: worker, call: call)
  }

  fileprivate func park(_ worker: Worker) -> Bool {
    guard parked.count < WorkerPool.maxParked else { return false }
    parked.append(worker)
    return true
  }

  /// Lets the waiting tasks end.
  func close() {
    let workers = parked
    parked = []
    for worker in workers { worker.resume(with: nil) }
  }
}

/// A handler's task, to be cancelled as long as it works for this call.
struct RunningHandler {
  fileprivate let task: Task<Void, Never>
  fileprivate let worker: Worker?
  /// Only compared: the call holds this.
  fileprivate unowned(unsafe) let call: ServerCall

  init(task: Task<Void, Never>, worker: Worker?, call: ServerCall) {
    self.task = task
    self.worker = worker
    self.call = call
  }

  func cancel() {
    if let worker, worker.current !== call { return }
    task.cancel()
  }
}

final class Worker: @unchecked Sendable {
  @exclusivity(unchecked) fileprivate private(set) var task: Task<Void, Never>?
  @exclusivity(unchecked) fileprivate private(set) var current: ServerCall?
  @exclusivity(unchecked) private var waiting: UnsafeContinuation<Void, Never>?
  private unowned let pool: WorkerPool

  fileprivate init(pool: WorkerPool) { self.pool = pool }

  fileprivate func start(with call: ServerCall, on loop: any TransportLoop) {
    current = call
    task = Task(executorPreference: loop) { [self] in await work() }
  }

  fileprivate func resume(with call: ServerCall?) {
    current = call
    waiting.take()?.resume()
  }

  private func work() async {
    while let call = current {
      await call.runHandler()
      current = nil
      guard !Task.isCancelled else { return }
      await withUnsafeContinuation { continuation in
        waiting = continuation
        if !pool.park(self) { waiting.take()?.resume() }
      }
    }
  }
}
