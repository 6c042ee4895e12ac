import Synchronization

/// A clock that stands still until a test moves it: for handlers and clients that wait, and, in an `InProcessNetwork` or
/// `Channel.inProcess`, for everything that channel and server wait for: backoff, retries, idle time, deadlines.
///
///     let clock = TestClock()
///     let reports = ReportsClient(try .inProcess(slow, clock: clock))
///     async let report = reports.render(request, options: CallOptions(timeout: .seconds(60)))
///     await slow.hasBegun
///     await clock.advance(by: .seconds(60))        // DEADLINE_EXCEEDED, at once
///
/// A call's `Deadline` is a point in real time, which passes once the clock has been moved by what was left of it when the call
/// was made. `Server.drain`'s limit is real time.
public final class TestClock: Clock {
  /// Those of the system's own clock, so that deadlines may be compared.
  public typealias Instant = ContinuousClock.Instant

  struct Timer: Sendable {
    let id: Int
    let due: Instant
    /// Returns when what it does at once is done.
    let fire: @Sendable () async -> Void
  }

  private struct Waiter {
    let id: Int
    let limit: Duration
    let continuation: CheckedContinuation<Void, Never>
  }

  private struct State {
    var now = ContinuousClock.now
    var timers: [Timer] = []
    var waiters: [Waiter] = []
    var lastID = 0
    /// Sleepers and waiters whose tasks were cancelled before they had begun.
    var cancelled: Set<Int> = []

    mutating func nextID() -> Int {
      lastID += 1
      return lastID
    }

    func hasTimer(within limit: Duration) -> Bool { timers.contains { $0.due <= now.advanced(by: limit) } }

    /// The next one that is due by then; it is its time now.
    mutating func take(until end: Instant) -> Timer? {
      let next = timers.indices.min { (timers[$0].due, timers[$0].id) < (timers[$1].due, timers[$1].id) }
      guard let next, timers[next].due <= end else { return nil }
      now = max(now, timers[next].due)
      return timers.remove(at: next)
    }
  }

  private let state = Mutex(State())

  /// A clock that stands at the present moment until it is told to go on.
  public init() {}

  /// What the clock shows.
  public var now: Instant { state.withLock { $0.now } }
  /// Zero: it moves by whatever it is told.
  public var minimumResolution: Duration { .zero }

  // MARK: The test

  /// Moves the clock; what becomes due on the way happens in its order, each at its own time.
  public func advance(by duration: Duration) async {
    let end = now.advanced(by: duration)
    while let timer = state.withLock({ $0.take(until: end) }) { await timer.fire() }
    state.withLock { $0.now = max($0.now, end) }
  }

  /// Returns once somebody waits for a time that is no further away than this.
  ///
  /// - Throws: `CancellationError` when the task is cancelled: a test's time limit does it.
  public func waitForTimer(dueWithin limit: Duration) async throws {
    let id = state.withLock { $0.nextID() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let waits = state.withLock { state in
          guard !state.hasTimer(within: limit), state.cancelled.remove(id) == nil else { return false }
          state.waiters.append(Waiter(id: id, limit: limit, continuation: continuation))
          return true
        }
        if !waits { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let place = state.waiters.firstIndex { $0.id == id }
        if place == nil { state.cancelled.insert(id) }
        return place.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume()
    }
    _ = state.withLock { $0.cancelled.remove(id) }
    try Task.checkCancellation()
  }

  // MARK: Those who wait

  /// Returns once the clock has been moved to this instant.
  ///
  /// - Throws: CancellationError, when the task is cancelled first.
  public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
    let id = state.withLock { $0.nextID() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let sleeps = add(Timer(id: id, due: deadline) { continuation.resume() })
        if !sleeps { continuation.resume() }
      }
    } onCancel: {
      let timer = cancel(id)
      if timer == nil { state.withLock { _ = $0.cancelled.insert(id) } }
      Task { await timer?.fire() }
    }
    _ = state.withLock { $0.cancelled.remove(id) }
    try Task.checkCancellation()
  }

  func makeID() -> Int { state.withLock { $0.nextID() } }

  /// False: it is due already, or was cancelled before.
  @discardableResult
  func add(_ timer: Timer) -> Bool {
    let (isAdded, waiters) = state.withLock { state in
      guard state.cancelled.remove(timer.id) == nil, timer.due > state.now else { return (false, [Waiter]()) }
      state.timers.append(timer)
      let now = state.now
      let ready = state.waiters.filter { timer.due <= now.advanced(by: $0.limit) }
      state.waiters.removeAll { timer.due <= now.advanced(by: $0.limit) }
      return (true, ready)
    }
    for waiter in waiters { waiter.continuation.resume() }
    return isAdded
  }

  @discardableResult
  func cancel(_ id: Int) -> Timer? {
    state.withLock { state in
      state.timers.firstIndex { $0.id == id }.map { state.timers.remove(at: $0) }
    }
  }
}
