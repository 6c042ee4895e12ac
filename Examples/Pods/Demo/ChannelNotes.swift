import Logging
import Synchronization

/// What channels log, at notice and above.
final class ChannelNotes: Sendable {
  private let noted = Mutex<[String]>([])

  var lines: [String] { noted.withLock { $0 } }
  var logger: Logger { Logger(label: "channel") { _ in Handler(notes: self) } }

  private struct Handler: LogHandler {
    let notes: ChannelNotes
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.notice

    init(notes: ChannelNotes) { self.notes = notes }

    func log(event: LogEvent) { notes.noted.withLock { $0.append("\(event.level): \(event.message)") } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
  }
}
