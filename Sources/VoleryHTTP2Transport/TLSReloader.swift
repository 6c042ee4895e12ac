package import VoleryEventLoops
package import VoleryTLSSession

/// Looks at the files of certificates, keys and roots as long as it lives, and has the context that new connections use. The
/// files are read on threads that may hang with them: connections go on with what was there before.
package final class TLSReloader: Sendable {
  private let source: TLSContextSource
  private let pool: BlockingPool
  private let report: @Sendable (TLSContextSource.Outcome) -> Void

  /// Reads the files here and now, the first time.
  ///
  /// - Parameter report: Called on `loop` when files have changed.
  /// - Throws: `TLSError`, what is wrong with the files now.
  package init(
    _ configuration: TLSConfiguration, on loop: EventLoop, pool: BlockingPool = .files,
    report: @escaping @Sendable (TLSContextSource.Outcome) -> Void
  ) throws(TLSError) {
    source = try TLSContextSource(configuration)
    self.pool = pool
    self.report = report
    guard let interval = source.interval else { return }
    loop.execute { [weak self] in self?.schedule(interval, on: loop) }
  }

  package var current: TLSContext { source.current }

  private func schedule(_ interval: Duration, on loop: EventLoop) {
    _ = loop.schedule(after: max(interval, .milliseconds(10))) { [weak self] in
      guard let self else { return }
      // One look at a time: the next is due when this one is done.
      let isTaken = pool.run { [weak self] in
        guard let self else { return }
        let outcome = source.checkFiles()
        loop.execute { [weak self] in self?.checked(outcome, interval, on: loop) }
      }
      if !isTaken { schedule(interval, on: loop) }
    }
  }

  private func checked(_ outcome: TLSContextSource.Outcome, _ interval: Duration, on loop: EventLoop) {
    switch outcome {
    case .unchanged: break
    case .reloaded, .refused: report(outcome)
    }
    schedule(interval, on: loop)
  }
}
