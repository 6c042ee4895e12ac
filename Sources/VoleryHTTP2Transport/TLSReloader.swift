import Synchronization
package import VoleryEventLoops
package import VoleryTLSSession

/// Follows the files of certificates, keys and roots as long as it lives, and has the context that new connections use. What
/// changes is seen at once where the system tells of it (`FileWatch`), and with the next look otherwise.
///
/// The files are read on threads that may hang with them: connections go on with what was there before.
package final class TLSReloader: Sendable {
  private let source: TLSContextSource
  private let loop: EventLoop
  private let pool: BlockingPool
  private let report: @Sendable (TLSContextSource.Outcome) -> Void
  private let watch: FileWatch
  private let state = Mutex(State())

  private struct State {
    /// One look at a time.
    var isLooking = false
    /// Another one comes as soon as that is done, or the rest is over.
    var isWanted = false
  }

  /// After the first sign of a change, before the look: files come in pairs, and each in several steps.
  private static let rest = Duration.milliseconds(20)

  /// Reads the files here and now, the first time.
  ///
  /// - Parameter report: Called on `loop` when files have changed.
  /// - Throws: `TLSError`, what is wrong with the files now.
  package init(
    _ configuration: TLSConfiguration, on loop: EventLoop, pool: BlockingPool = .files,
    report: @escaping @Sendable (TLSContextSource.Outcome) -> Void
  ) throws(TLSError) {
    source = try TLSContextSource(configuration)
    self.loop = loop
    self.pool = pool
    self.report = report
    watch = FileWatch(source.paths, on: loop)
    guard let interval = source.interval else { return }
    loop.execute { [weak self] in
      // The first one, at once, also sees what has changed since the files were read.
      self?.look()
      self?.lookAgain(after: interval)
    }
  }

  package var current: TLSContext { source.current }

  // MARK: On the loop

  private func lookAgain(after interval: Duration) {
    _ = loop.schedule(after: interval) { [weak self] in
      self?.look()
      self?.lookAgain(after: interval)
    }
  }

  private func look() {
    let isFirst = state.withLock { state in
      defer { state.isLooking = true }
      state.isWanted = state.isLooking
      return !state.isLooking
    }
    guard isFirst else { return }
    let isTaken = pool.run { [weak self] in
      guard let self else { return }
      watch.renew { [weak self] in self?.changed() }
      let outcome = source.checkFiles()
      loop.execute { [weak self] in self?.looked(outcome) }
    }
    // The next one that is due has to do.
    if !isTaken { state.withLock { $0.isLooking = false } }
  }

  private func looked(_ outcome: TLSContextSource.Outcome) {
    let isWanted = state.withLock { state in
      state.isLooking = false
      return state.isWanted
    }
    if isWanted { lookSoon() }
    switch outcome {
    case .unchanged: break
    case .reloaded, .refused: report(outcome)
    }
  }

  private func changed() {
    let isFirst = state.withLock { state in
      defer { state.isWanted = true }
      return !state.isWanted && !state.isLooking
    }
    if isFirst { lookSoon() }
  }

  private func lookSoon() {
    _ = loop.schedule(after: TLSReloader.rest) { [weak self] in self?.look() }
  }
}
