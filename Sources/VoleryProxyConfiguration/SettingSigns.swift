import VoleryEventLoops
import VoleryPlatform

/// Tells when a file of settings should be read again: SIGHUP, and what the system tells of the file; now and then besides.
final class SettingSigns: Sendable {
  /// For one reader.
  let waiting = WaitingSign()
  private let watch: FileWatch
  private let signal: SignalWatch

  private static let interval = Duration.seconds(10)

  init(of path: String, on loop: EventLoop) {
    watch = FileWatch([path], on: loop)
    signal = SignalWatch(SIGHUP, on: loop) { [waiting] in waiting.note(.asked) }
    loop.execute { [weak self] in self?.lookAgain(on: loop) }
  }

  /// Returns when SIGHUP is a sign, and no end of the program.
  func begun() async { await signal.begun() }

  private func lookAgain(on loop: EventLoop) {
    _ = loop.schedule(after: SettingSigns.interval) { [weak self] in
      self?.waiting.note(.hint)
      self?.lookAgain(on: loop)
    }
  }

  /// Before each reading, so that no change falls between. Blocks where the file system does.
  func renew() { watch.renew { [waiting] in waiting.note(.hint) } }

  /// Ends the stream; returns when the signal has its former effect again.
  func close() async {
    waiting.finish()
    watch.close()
    await signal.close()
  }
}
