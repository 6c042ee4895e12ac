package import Logging
import Synchronization

/// What a program logs, to be waited for.
package final class LogRecorder: Sendable {
  private struct Waiter {
    var text: String
    var continuation: CheckedContinuation<String, Never>
  }

  private struct State {
    var lines: [String] = []
    var waiters: [Waiter] = []
    var counters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  package init() {}

  package var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

  package var lines: [String] { state.withLock { $0.lines } }

  /// The line that has this text, now or later; the test's own time limit is the limit.
  package func line(containing text: String) async -> String {
    await withCheckedContinuation { continuation in
      let line = state.withLock { state in
        let line = state.lines.first { $0.contains(text) }
        if line == nil { state.waiters.append(Waiter(text: text, continuation: continuation)) }
        return line
      }
      if let line { continuation.resume(returning: line) }
    }
  }

  /// Waits until so many lines have this text.
  package func lines(containing text: String, count: Int) async {
    while lines.count(where: { $0.contains(text) }) < count {
      await withCheckedContinuation { continuation in
        let isThere = state.withLock { state in
          let isThere = state.lines.count { $0.contains(text) } >= count
          if !isThere { state.counters.append(continuation) }
          return isThere
        }
        if isThere { continuation.resume() }
      }
    }
  }

  private func record(_ line: String) {
    let (found, counters) = state.withLock { state in
      state.lines.append(line)
      defer {
        state.waiters.removeAll { line.contains($0.text) }
        state.counters = []
      }
      return (state.waiters.filter { line.contains($0.text) }, state.counters)
    }
    for counter in counters { counter.resume() }
    for waiter in found { waiter.continuation.resume(returning: line) }
  }

  private struct Handler: LogHandler {
    let recorder: LogRecorder
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(recorder: LogRecorder) { self.recorder = recorder }

    func log(event: LogEvent) {
      let words = (event.metadata ?? [:]).map { "\($0.key): \($0.value)" }.sorted()
      recorder.record("\(event.level) \(event.message) \(words.joined(separator: ", "))")
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
  }
}
