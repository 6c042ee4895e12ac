import Synchronization

/// Compresses and inflates whole buffers, from any thread. zlib's states are large (a quarter of a megabyte to compress), so
/// a few are kept and used again.
package enum Zlib {
  /// The compressed bytes behind `prefixByteCount` zeroes; nil when they would not be fewer than the input's, or when there
  /// is no memory for the work.
  package static func compress(
    _ input: UnsafeRawBufferPointer, _ format: CompressionFormat, prefixByteCount: Int = 0
  ) -> [UInt8]? {
    let pool = format == .gzip ? gzipDeflaters : zlibDeflaters
    guard let deflater = pool.take() ?? Deflater(format) else { return nil }
    defer { pool.give(deflater) }
    return deflater.deflate(input, prefixByteCount: prefixByteCount)
  }

  /// The inflated bytes. Memory stays within `limit`, whatever the input promises.
  package static func inflate(
    _ input: UnsafeRawBufferPointer, _ format: CompressionFormat, limit: Int
  ) throws(InflateFailure) -> [UInt8] {
    let pool = format == .gzip ? gzipInflaters : zlibInflaters
    guard let inflater = pool.take() ?? Inflater(format) else { throw .outOfMemory }
    defer { pool.give(inflater) }
    return try inflater.inflate(input, limit: limit)
  }

  /// How many bytes the inflated ones are, for people; nil where that can't be said, or they are more than `limit`. Of gzip that stands
  /// behind them and is taken as it is (of several members, the last one's); zlib's format is inflated to count.
  package static func inflatedByteCount(
    _ input: UnsafeRawBufferPointer, _ format: CompressionFormat, limit: Int
  ) -> Int? {
    if format == .gzip { return Inflater.gzipByteCount(input).flatMap { $0 <= limit ? $0 : nil } }
    guard let inflater = zlibInflaters.take() ?? Inflater(format) else { return nil }
    defer { zlibInflaters.give(inflater) }
    return inflater.inflatedByteCount(input, limit: limit)
  }

  private static let gzipDeflaters = StatePool<Deflater>()
  private static let zlibDeflaters = StatePool<Deflater>()
  private static let gzipInflaters = StatePool<Inflater>()
  private static let zlibInflaters = StatePool<Inflater>()
}

/// States that nobody uses now.
private final class StatePool<State: AnyObject>: Sendable {
  /// States are not Sendable: one is with the pool or with whoever took it, never both.
  private struct Idle: @unchecked Sendable { var states: [State] = [] }  // Isolation: handed over

  private static var capacity: Int { 4 }
  private let idle = Mutex(Idle())

  func take() -> State? {
    idle.withLock { idle in Taken(state: idle.states.popLast()) }.state
  }

  func give(_ state: State) {
    let returned = Taken(state: state)
    idle.withLock { idle in
      if idle.states.count < StatePool.capacity, let state = returned.state { idle.states.append(state) }
    }
  }

  private struct Taken: @unchecked Sendable { let state: State? }  // Isolation: handed over
}

/// The frame that zlib puts around deflated bytes.
package enum CompressionFormat: Hashable, Sendable, CaseIterable {
  /// RFC 1952.
  case gzip
  /// RFC 1950.
  case zlib

  /// zlib's `windowBits`: the largest window, and 16 more for gzip.
  var windowBits: Int32 { self == .gzip ? 15 + 16 : 15 }
}

/// Compressed bytes that can't be taken.
package enum InflateFailure: Error, Equatable {
  /// They are not of the format, damaged, or end too early.
  case corrupt
  /// They would be longer than the limit.
  case tooLarge
  /// zlib got no memory.
  case outOfMemory
}
