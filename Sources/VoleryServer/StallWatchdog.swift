import Logging
import Synchronization
import VoleryEventLoops

/// Looks at a server's loops as long as it lives, and logs which method's handler keeps one from its other calls. It looks
/// from a thread of its own, because the loops can't; they pay two stores a job.
final class StallWatchdog: Sendable {
  private struct State {
    var detectors: [StallDetector]
    /// By the method: one that is called all the time is told once a minute.
    var limits: [String: ReportLimit] = [:]

    mutating func admit(_ method: String, at now: ContinuousClock.Instant) -> Int? {
      limits[method, default: ReportLimit(1, per: .seconds(60))].admit(at: now)
    }
  }

  private let loops: [EventLoop]
  private let logger: Logger
  /// The method whose jobs have a tag; nil for another server's on the same loops, which has a watchdog of its own.
  private let name: @Sendable (_ tag: UInt) -> String?
  private let state: Mutex<State>

  private static let madeObserver = Mutex<EventLoop?>(nil)

  /// The loop from which every server of the process looks.
  private static func observer() throws(SocketError) -> EventLoop {
    let result = madeObserver.withLock { made -> Result<EventLoop, SocketError> in
      if let made { return .success(made) }
      return Result { () throws(SocketError) in
        let loop = try EventLoop()
        made = loop
        return loop
      }
    }
    return try result.get()
  }

  private let observer: EventLoop
  private static let shortestInterval = Duration.milliseconds(5)

  init(
    _ loops: [EventLoop], threshold: Duration, logger: Logger, name: @escaping @Sendable (_ tag: UInt) -> String?
  ) throws(SocketError) {
    observer = try StallWatchdog.observer()
    self.loops = loops
    self.logger = logger
    self.name = name
    state = Mutex(State(detectors: loops.map { _ in StallDetector(threshold: threshold) }))
    let interval = max(threshold / 2, StallWatchdog.shortestInterval)
    observer.execute { [weak self] in self?.lookAgain(after: interval) }
  }

  private func lookAgain(after interval: Duration) {
    _ = observer.schedule(after: interval) { [weak self] in
      self?.look(at: .now)
      self?.lookAgain(after: interval)
    }
  }

  private func look(at now: ContinuousClock.Instant) {
    for (index, loop) in loops.enumerated() {
      let sample = loop.activity.sample
      guard let stall = state.withLock({ $0.detectors[index].looked(sample, at: now) }) else { continue }
      report(stall, at: now)
    }
  }

  private func report(_ stall: StallDetector.Stall, at now: ContinuousClock.Instant) {
    guard let method = stall.tag == LoopActivity.unnamed ? "code that is no handler" : name(stall.tag) else { return }
    guard let leftOut = state.withLock({ $0.admit(method, at: now) }) else { return }
    var metadata: Logger.Metadata = ["method": "\(method)", "for at least": "\(stall.duration)"]
    if leftOut > 0 { metadata["left out before"] = "\(leftOut)" }
    logger.warning(
      "a handler holds up its event loop, and with it all connections of the loop: run it elsewhere with Service.on",
      metadata: metadata)
  }
}
