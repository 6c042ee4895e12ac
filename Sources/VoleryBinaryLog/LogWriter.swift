import Synchronization
import VoleryEventLoops
import VoleryPrimitives
import VoleryProtobuf
import VoleryTypes

/// Entries on their way to the file: they wait in a queue of bounded size, and a thread of its own serializes and writes them.
final class LogWriter: Sendable {
  private struct State {
    var queue: [LogGrpcLogEntry] = []
    var queuedBytes = 0
    var isWriting = false
    var counts = BinaryLogCounts()
    /// Who waits until nothing waits any more.
    var flushers = WaiterList()
  }

  /// What an entry takes in memory beside its payload, roughly.
  private static let entryBytes = 256
  /// Entries are written together up to so many bytes.
  private let batchBytes: Int
  private let limit: Int
  private let state = Mutex(State())
  /// The writing thread's, of which there is one at a time.
  private let file: Mutex<LogFile>
  private let pool = BlockingPool(threads: 1, waiting: 2)

  init(_ path: String, _ options: BinaryLogOptions) throws(StatusError) {
    limit = options.maxQueuedBytes
    batchBytes = min(64 << 10, options.maxFileBytes)
    file = Mutex(try LogFile(path, limit: options.maxFileBytes))
  }

  deinit { pool.close() }

  var counts: BinaryLogCounts { state.withLock { $0.counts } }

  /// Never blocks.
  func write(_ entry: LogGrpcLogEntry) {
    let byteCount = LogWriter.byteCount(of: entry)
    let startsWriting = state.withLock { state in
      guard state.queuedBytes + byteCount <= limit else {
        state.counts.dropped += 1
        return false
      }
      state.queue.append(entry)
      state.queuedBytes += byteCount
      defer { state.isWriting = true }
      return !state.isWriting
    }
    guard startsWriting, !pool.run({ [self] in writeAll() }) else { return }
    // The system gives no thread.
    state.withLock { state in
      state.counts.dropped += state.queue.count
      (state.queue, state.queuedBytes, state.isWriting) = ([], 0, false)
    }
  }

  /// Waits until what was written before is in the file, or dropped.
  func flush() async { await state.wait(in: \.flushers) { !$0.isWriting } }

  private static func byteCount(of entry: LogGrpcLogEntry) -> Int {
    let payload =
      switch entry.payload {
      case .message(let message): message.data.count
      case .clientHeader(let header):
        header.metadata.byteCount + header.methodName.utf8.count + header.authority.utf8.count
      case .serverHeader(let header): header.metadata.byteCount
      case .trailer(let trailer):
        trailer.metadata.byteCount + trailer.statusMessage.utf8.count + trailer.statusDetails.count
      case nil: 0
      }
    return entryBytes + payload
  }

  // MARK: On the writing thread

  private func writeAll() {
    while let batch = nextBatch() {
      var bytes: [UInt8] = []
      var count = 0
      for entry in batch {
        guard let frame = LogWriter.frame(entry) else {
          state.withLock { $0.counts.dropped += 1 }
          continue
        }
        if count > 0, bytes.count + frame.count > batchBytes { append(&bytes, &count) }
        bytes += frame
        count += 1
      }
      if count > 0 { append(&bytes, &count) }
    }
  }

  /// Nil: nothing waits, and nobody writes any more.
  private func nextBatch() -> [LogGrpcLogEntry]? {
    let (batch, flushers) = state.withLock { state -> ([LogGrpcLogEntry]?, WaiterList) in
      guard !state.queue.isEmpty else {
        state.isWriting = false
        return (nil, state.flushers.takeAll())
      }
      defer { (state.queue, state.queuedBytes) = ([], 0) }
      return (state.queue, WaiterList())
    }
    flushers.resumeAll()
    return batch
  }

  /// Four bytes of length, the first the highest, and the entry: gRPC's frame without its first byte, and what grpc-go writes.
  private static func frame(_ entry: LogGrpcLogEntry) -> ArraySlice<UInt8>? {
    var sink = MessageSink()
    guard (try? entry.serialize(into: &sink)) != nil else { return nil }
    return sink.finish().joined.dropFirst()
  }

  private func append(_ bytes: inout [UInt8], _ count: inout Int) {
    let failure = file.withLock { file -> String? in
      do throws(StatusError) {
        try file.append(bytes)
        return nil
      } catch {
        return error.message
      }
    }
    state.withLock { state in
      state.counts.failure = failure
      if failure == nil {
        state.counts.written += count
        state.counts.bytes += bytes.count
      } else {
        state.counts.dropped += count
      }
    }
    bytes.removeAll(keepingCapacity: true)
    count = 0
  }
}

extension LogMetadata? {
  fileprivate var byteCount: Int {
    self?.entry.reduce(0) { $0 + $1.key.utf8.count + $1.value.count + 64 } ?? 0
  }
}
