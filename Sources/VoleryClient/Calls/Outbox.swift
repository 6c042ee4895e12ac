import VoleryTypes

/// What a call's caller sends: framed messages in order, kept as long as another attempt may need them. A value, guarded by
/// the call's lock. The one message of a call whose client does not stream costs no array.
struct Outbox {
  /// Bytes of messages that a writer may have ahead of the transport before it waits.
  static let highWaterMark = 64 << 10
  /// Messages are kept for another attempt up to this many bytes; beyond, the call is committed to its attempt (gRFC A6, as
  /// grpc-go and C-core: 256 KiB a call). One message is kept whatever its size: the transport holds the same storage.
  static let replayLimit = 256 << 10

  private var first: MessageFrame?
  private var rest: [MessageFrame] = []
  private(set) var keptByteCount = 0
  /// Of those that no attempt has been given yet.
  private(set) var unsentByteCount = 0
  private(set) var isHalfClosed = false

  init() {}

  /// The whole request of a call whose client does not stream.
  init(only frame: consuming MessageFrame) {
    let byteCount = frame.count
    first = frame
    keptByteCount = byteCount
    unsentByteCount = byteCount
    isHalfClosed = true
  }

  /// The request of a call whose client does not stream, as long as interceptors have not gone on; nil for others.
  var heldRequest: MessageFrame? { isHalfClosed ? first : nil }

  var count: Int { (first == nil ? 0 : 1) + rest.count }

  /// Of those that are kept, in bytes; 0 without any.
  var largestMessage: Int { max(first?.messageByteCount ?? 0, rest.lazy.map(\.messageByteCount).max() ?? 0) }

  /// So much waits that a writer has to wait too.
  var isFull: Bool { unsentByteCount >= Outbox.highWaterMark }

  /// More than is kept for another attempt.
  var isOverReplayLimit: Bool { keptByteCount > Outbox.replayLimit && count > 1 }

  mutating func append(_ frame: MessageFrame) {
    if first == nil { first = frame } else { rest.append(frame) }
    keptByteCount += frame.count
    unsentByteCount += frame.count
  }

  /// Returns whether it was open.
  mutating func halfClose() -> Bool {
    defer { isHalfClosed = true }
    return !isHalfClosed
  }

  /// What an attempt that has been given the first `sentCount` messages lacks.
  struct Part: ~Copyable {
    var first: MessageFrame?
    var rest: ArraySlice<MessageFrame>?
    /// The request ends behind them.
    let endsStream: Bool
  }

  mutating func part(from sentCount: Int, endsStream: Bool) -> Part {
    unsentByteCount = 0
    if sentCount == 0 {
      return Part(first: first, rest: rest.isEmpty ? nil : rest[...], endsStream: endsStream)
    }
    guard sentCount < count else { return Part(endsStream: endsStream) }
    return Part(
      first: rest[sentCount - 1], rest: sentCount < rest.count ? rest[sentCount...] : nil, endsStream: endsStream)
  }

  /// Another attempt begins: it is given everything.
  mutating func rewind() { unsentByteCount = keptByteCount }

  /// The first `sentCount` messages are not needed any more.
  mutating func drop(_ sentCount: Int) {
    guard sentCount > 0 else { return }
    let left = Array(([first].compactMap { $0 } + rest).dropFirst(sentCount))
    first = left.first
    rest = Array(left.dropFirst())
    keptByteCount = left.reduce(0) { $0 + $1.count }
    unsentByteCount = keptByteCount
  }

  mutating func removeAll() {
    first = nil
    rest = []
    keptByteCount = 0
    unsentByteCount = 0
  }
}
