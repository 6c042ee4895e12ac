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
    var fingerprints: [FileStamp?]
    /// Of what is in them; nil: one can't be read.
    var content: Int?
    /// They may change again without a trace: look into them again.
    var isUnsettled: Bool

    init(_ paths: [String]) {
      fingerprints = paths.map(FileStamp.init)
      isUnsettled = fingerprints.contains { $0?.isFresh == true }
      var hasher = Hasher()
      for path in paths {
        guard let bytes = try? FileBytes.read(path) else { return }
        hasher.combine(bytes)
      }
      content = hasher.finalize()
    }
  }

  private struct State {
    var context: TLSContext
    var seen: Sight
    /// What is in the files now can't be used: seen once, they may be half-way through a change; twice, it is told.
    var failures = 0
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

  /// How often files have to be looked at; nil where there is nothing to look at.
  package var interval: Duration? { configuration.paths.isEmpty ? nil : configuration.options.reloadInterval }

  /// Looks at the files, and reads them if they have changed: on the thread of the caller.
  package func checkFiles() -> Outcome {
    let (seen, failures) = state.withLock { ($0.seen, $0.failures) }
    let isSuspected = failures == 1
    guard seen.isUnsettled || isSuspected || seen.fingerprints != configuration.paths.map(FileStamp.init) else {
      return .unchanged
    }
    let now = Sight(configuration.paths)
    guard now.content != seen.content || isSuspected else {
      state.withLock { $0.seen = now }
      return .unchanged
    }
    do throws(TLSError) {
      let context = try TLSContext(configuration)
      state.withLock { $0 = State(context: context, seen: now) }
      return .reloaded
    } catch {
      let failures = state.withLock { state in
        state.failures = now.content == state.seen.content ? state.failures + 1 : 1
        state.seen = now
        return state.failures
      }
      return failures == 2 ? .refused(error) : .unchanged
    }
  }
}
