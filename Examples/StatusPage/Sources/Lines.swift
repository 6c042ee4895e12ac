import Foundation

extension Thread {
  /// The lines of standard input, read on a thread of its own: it waits for them.
  static func lines() -> AsyncStream<String> {
    AsyncStream { lines in
      Thread.detachNewThread {
        while let line = readLine() { lines.yield(line) }
        lines.finish()
      }
    }
  }
}
