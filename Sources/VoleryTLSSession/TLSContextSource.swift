import Synchronization
import VoleryPlatform

/// The context that new connections use, made anew when a file that it is made from changes. Any thread; somebody has to
/// call `checkFiles` now and then.
package final class TLSContextSource: Sendable {
  /// What a look at the files has led to.
  package enum Outcome: Sendable {
    case unchanged
    /// The files have changed, and new connections use what is in them.
    case reloaded
    /// The files have changed, and what is in them can't be used: what was there before stays. Told once for each state of
    /// the files.
    case refused(TLSError)
  }

  /// The files, as they were at one moment.
  private struct Sight: Hashable {
    var stamps: [FileStamp?]
    /// Of what is in them; nil: one can't be read.
    var content: Int?
    /// They may change again without a trace: look into them again.
    var isUnsettled: Bool

    init(_ paths: [String]) {
      stamps = paths.map(FileStamp.init)
      isUnsettled = stamps.contains { $0?.isFresh == true }
      var hasher = Hasher()
      for path in paths {
        guard let bytes = try? SmallFile.content(of: path, limit: TLSSource.maxFileBytes) else { return }
        hasher.combine(bytes)
      }
      content = hasher.finalize()
    }
  }

  private struct State {
    var context: TLSContext
    var seen: Sight
    /// What is in the files now can't be used.
    var failure: Failure?

    /// Whether to tell.
    mutating func failed(_ sight: Sight, at now: ContinuousClock.Instant, patience: Duration) -> Bool {
      if sight.content != seen.content || failure == nil { failure = Failure(since: now) }
      seen = sight
      guard let since = failure?.since, since.duration(to: now) >= patience else { return false }
      failure?.isTold = true
      return true
    }
  }

  private struct Failure {
    /// They may be half-way through a change: it is told when it is still so after `interval`.
    var since: ContinuousClock.Instant
    var isTold = false
  }

  private let configuration: TLSConfiguration
  private let state: Mutex<State>

  /// - Throws: What is wrong with the files now.
  package init(_ configuration: TLSConfiguration) throws(TLSError) {
    self.configuration = configuration
    // Seen before they are read: a change in between is seen the next time.
    let seen = Sight(configuration.paths)
    state = Mutex(State(context: try TLSContext(configuration), seen: seen))
  }

  package var current: TLSContext { state.withLock { $0.context } }

  package var paths: [String] { configuration.paths }

  /// How often files have to be looked at, whatever else tells of their changes; nil where there is nothing to look at.
  package var interval: Duration? {
    paths.isEmpty ? nil : configuration.options.reloadInterval.map { max($0, .milliseconds(10)) }
  }

  /// Looks at the files, and reads them if they have changed: on the thread of the caller.
  package func checkFiles(at now: ContinuousClock.Instant = .now) -> Outcome {
    let (seen, failure) = state.withLock { ($0.seen, $0.failure) }
    let isSuspected = failure?.isTold == false
    guard seen.isUnsettled || isSuspected || seen.stamps != paths.map(FileStamp.init) else { return .unchanged }
    let sight = Sight(paths)
    guard sight.content != seen.content || isSuspected else {
      state.withLock { $0.seen = sight }
      return .unchanged
    }
    do throws(TLSError) {
      let context = try TLSContext(configuration)
      state.withLock { $0 = State(context: context, seen: sight) }
      return .reloaded
    } catch {
      let isNews = state.withLock { $0.failed(sight, at: now, patience: interval ?? .zero) }
      return isNews ? .refused(error) : .unchanged
    }
  }
}
