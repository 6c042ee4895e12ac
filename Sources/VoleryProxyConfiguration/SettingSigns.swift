import VoleryEventLoops
import VoleryPlatform

/// Tells when a file of settings should be read again: SIGHUP, and what the system tells of the file; now and then besides.
final class SettingSigns: Sendable {
  enum Sign: Sendable {
    /// Somebody wants it.
    case asked
    /// It may have changed.
    case hint
  }

  /// For one reader. While it is busy, one sign waits for it.
  let stream: AsyncStream<Sign>
  private let continuation: AsyncStream<Sign>.Continuation
  private let watch: FileWatch
  private let signal: SignalWatch

  private static let interval = Duration.seconds(10)

  init(of path: String, on loop: EventLoop) {
    // Two: a hint must not push out what somebody has asked for.
    let (stream, continuation) = AsyncStream.makeStream(of: Sign.self, bufferingPolicy: .bufferingOldest(2))
    self.stream = stream
    self.continuation = continuation
    watch = FileWatch([path], on: loop)
    signal = SignalWatch(SIGHUP, on: loop) { continuation.yield(.asked) }
    loop.execute { [weak self] in self?.lookAgain(on: loop) }
  }

  /// Returns when SIGHUP is a sign, and no end of the program.
  func begun() async { await signal.begun() }

  private func lookAgain(on loop: EventLoop) {
    _ = loop.schedule(after: SettingSigns.interval) { [weak self] in
      self?.continuation.yield(.hint)
      self?.lookAgain(on: loop)
    }
  }

  /// Before each reading, so that no change falls between. Blocks where the file system does.
  func renew() { watch.renew { [continuation] in continuation.yield(.hint) } }

  /// Ends the stream; returns when the signal has its former effect again.
  func close() async {
    continuation.finish()
    watch.close()
    await signal.close()
  }
}
