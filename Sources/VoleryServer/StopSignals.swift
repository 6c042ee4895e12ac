import Synchronization
import VoleryEventLoops
import VoleryPlatform

/// The signals that end a running server, SIGTERM and SIGINT, for as long as it watches them.
///
/// Where the program, or a library of it, handles one of them itself by a dispatch source, it has decided which ones end it: the
/// server hears of those too, and of no others.
final class StopSignals: Sendable {
  private static let numbers = [SIGTERM, SIGINT]

  private let own: [SignalWatch]
  private let shared: [SharedSignalWatch]
  /// When one came that somebody else in the process handles too.
  private let sharedSignal: SharedSignal

  private final class SharedSignal: Sendable {
    let time = Mutex<ContinuousClock.Instant?>(nil)
  }

  /// - Parameters:
  ///   - loop: For the watches that are the server's own; nil: there is nothing to stop.
  ///   - came: Any thread; it may be called more than once.
  init(on loop: EventLoop?, _ came: @escaping @Sendable () -> Void) {
    let sharedSignal = SharedSignal()
    self.sharedSignal = sharedSignal
    shared = StopSignals.numbers.filter { SignalWatch.isHandledByOthers($0) }.map { number in
      SharedSignalWatch(number) {
        sharedSignal.time.withLock { $0 = .now }
        came()
      }
    }
    guard let loop, shared.isEmpty else {
      own = []
      return
    }
    own = StopSignals.numbers.map { SignalWatch($0, on: loop, came) }
  }

  /// Returns when they end the process no more, and none is missed.
  func begin() async {
    for signal in own { await signal.begun() }
    for signal in shared { await signal.begun() }
  }

  /// Hears of none any more. When it returns, whoever else handles them has heard too: he may take it for a fault that the
  /// server returns before he knows why (a ServiceGroup then ends the process).
  func close() async {
    for signal in own { await signal.close() }
    for signal in shared { signal.close() }
    guard let time = sharedSignal.time.withLock({ $0 }) else { return }
    try? await Task.sleep(until: time.advanced(by: .seconds(1)), clock: .continuous)
  }
}
