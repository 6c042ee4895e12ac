package import VoleryEventLoops
package import VoleryTLSSession

/// Looks at the files of certificates, keys and roots as long as it lives, and has the context that new connections use.
package final class TLSReloader: Sendable {
  private let source: TLSContextSource
  private let report: @Sendable (TLSContextSource.Outcome) -> Void

  /// - Parameter report: Called on `loop` when files have changed.
  /// - Throws: `TLSError`, what is wrong with the files now.
  package init(
    _ configuration: TLSConfiguration, on loop: EventLoop,
    report: @escaping @Sendable (TLSContextSource.Outcome) -> Void
  ) throws(TLSError) {
    source = try TLSContextSource(configuration)
    self.report = report
    guard let interval = source.interval else { return }
    loop.execute { [weak self] in self?.schedule(interval, on: loop) }
  }

  package var current: TLSContext { source.current }

  private func schedule(_ interval: Duration, on loop: EventLoop) {
    _ = loop.schedule(after: max(interval, .milliseconds(10))) { [weak self] in
      guard let self else { return }
      switch source.checkFiles() {
      case .unchanged: break
      case let outcome: report(outcome)
      }
      schedule(interval, on: loop)
    }
  }
}
