package import Logging
import Synchronization

/// What a program logs, to be waited for.
package final class LogRecorder: Sendable {
  private let recorded = Mutex<[String]>([])

  package init() {}

  package var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

  package var lines: [String] { recorded.withLock { $0 } }

  /// The line that has this text, now or later.
  ///
  /// - Throws: `NeverHappened` when none comes.
  package func line(containing text: String) async throws -> String {
    var found: String?
    try await eventually("a line that has \"\(text)\"") {
      found = lines.first { $0.contains(text) }
      return found != nil
    }
    return found ?? ""
  }

  /// Waits until so many lines have this text.
  ///
  /// - Throws: `NeverHappened` when they don't come.
  package func lines(containing text: String, count: Int) async throws {
    try await eventually("\(count) lines that have \"\(text)\"") { lines.count { $0.contains(text) } >= count }
  }

  private func record(_ line: String) { recorded.withLock { $0.append(line) } }

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
