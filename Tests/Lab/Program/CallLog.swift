import ArgumentParser
import Foundation
import Synchronization
import Volery

/// One line for each thing that ended, fields separated by tabs, times in seconds of the monotonic clock:
///
///     call    due    ended    code    pod    peer    channel    message
///     stream  time   number   what    code   pod     message
final class CallLog: Sendable {
  private let descriptor: Int32
  private let buffer = Mutex<[UInt8]>([])
  private let isClosed = Atomic<Bool>(false)

  init(path: String) throws {
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw ValidationError("--out \(path) can't be written") }
    // Whoever follows the file sees a line soon, and no call waits for the disk.
    Thread.detachNewThread { [self] in
      while !isClosed.load(ordering: .relaxed) {
        usleep(20_000)
        flush()
      }
    }
  }

  func call(due: Double, channel: Int, pod: String, peer: Peer?) {
    append(["call", "\(due)", "\(monotonicSeconds())", "0", pod, peer.map { "\($0)" } ?? "", "\(channel)", ""])
  }

  func call(due: Double, channel: Int, _ error: StatusError) {
    let pod = error.metadata["x-pod"] ?? ""
    append(
      ["call", "\(due)", "\(monotonicSeconds())", "\(error.code.rawValue)", pod, "", "\(channel)", error.message])
  }

  func stream(_ number: Int, _ what: String, code: StatusCode = .ok, pod: String = "", message: String = "") {
    append(["stream", "\(monotonicSeconds())", "\(number)", what, "\(code.rawValue)", pod, message])
  }

  private func append(_ fields: [String]) {
    let line = fields.map { $0.replacing("\t", with: " ").replacing("\n", with: " ") }.joined(separator: "\t") + "\n"
    buffer.withLock { $0 += Array(line.utf8) }
  }

  private func flush() {
    buffer.withLock { bytes in
      guard !bytes.isEmpty else { return }
      _ = write(descriptor, bytes, bytes.count)
      bytes.removeAll(keepingCapacity: true)
    }
  }

  func close() {
    isClosed.store(true, ordering: .relaxed)
    flush()
  }
}
