import VoleryHTTP2Session
import VoleryPlatform
import VoleryTypes

/// A header block that a server sends again and again, byte by byte, and what it says: what nearly all of its answers begin
/// with, or end with.
struct UsualBlock: ~Copyable {
  /// Plain memory: it is looked at twice a call.
  private var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// The fields that are the application's.
  private(set) var metadata = Metadata()
  private var otherCount = 0
  /// A longer block is not kept.
  private static let longest = 1 << 10
  /// Of so many blocks that are not the one that is kept, one is kept instead: a server's may change, or have something new
  /// each time.
  private static let patience = 64

  deinit { bytes.deallocate() }

  func isSame(as block: borrowing HeaderBlock) -> Bool {
    guard let start = bytes.baseAddress, bytes.count == block.byteCount, !block.isTooLarge else { return false }
    return memcmp(start, block.bytes, bytes.count) == 0
  }

  /// It was read.
  ///
  /// - Parameter metadata: All that it says besides what each such block says.
  mutating func remember(_ block: borrowing HeaderBlock, _ metadata: Metadata) {
    defer { otherCount = (otherCount + 1) % UsualBlock.patience }
    guard otherCount == 0, 1...UsualBlock.longest ~= block.byteCount else { return }
    bytes.deallocate()
    bytes = .allocate(byteCount: block.byteCount, alignment: 4)
    bytes.copyMemory(from: UnsafeRawBufferPointer(start: block.bytes, count: block.byteCount))
    self.metadata = metadata
  }
}

/// Those of a connection.
struct UsualBlocks: ~Copyable {
  /// An answer of gRPC's begins, without compression.
  var head = UsualBlock()
  /// It ends with OK.
  var end = UsualBlock()
}
