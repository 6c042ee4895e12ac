/// A length-prefixed message, ready to be sent: one array as a rule. Large byte fields are pieces of their own, the arrays
/// that the message itself has, so that nothing copies them on their way to the socket.
@usableFromInline
package struct MessageFrame: Sendable {
  /// The 5-byte prefix, and the message up to the first piece that is not copied.
  @usableFromInline package let head: [UInt8]
  @usableFromInline let tail: Tail?

  @usableFromInline final class Tail: Sendable {
    let pieces: [[UInt8]]
    @usableFromInline let byteCount: Int

    init(_ pieces: [[UInt8]]) {
      self.pieces = pieces
      byteCount = pieces.reduce(0) { $0 + $1.count }
    }
  }

  /// `head` starts with room for the prefix, which is filled in here for more than one piece.
  @usableFromInline init(head: consuming [UInt8], tail pieces: consuming [[UInt8]]?) {
    guard let pieces else {
      self.head = head
      tail = nil
      return
    }
    let tail = Tail(pieces)
    let count = UInt32(truncatingIfNeeded: head.count + tail.byteCount - MessageSink.prefixByteCount)
    head.withUnsafeMutableBytes { $0.storeBytes(of: count.bigEndian, toByteOffset: 1, as: UInt32.self) }
    self.head = head
    self.tail = tail
  }

  /// A frame in one array, its prefix included.
  package init(_ bytes: [UInt8]) {
    head = bytes
    tail = nil
  }

  /// Bytes of the whole frame.
  @inlinable package var count: Int { head.count + (tail?.byteCount ?? 0) }

  /// Bytes of the message.
  @inlinable package var messageByteCount: Int { count - MessageSink.prefixByteCount }

  @inlinable package var isCompressed: Bool { head[0] != 0 }

  /// What follows `head`.
  package var pieces: [[UInt8]] { tail?.pieces ?? [] }

  /// The message in one array, without its prefix.
  package var messageBytes: [UInt8] { Array(joined.dropFirst(MessageSink.prefixByteCount)) }

  /// All of it in one array.
  package var joined: [UInt8] {
    guard let tail else { return head }
    var bytes = head
    bytes.reserveCapacity(count)
    for piece in tail.pieces { bytes += piece }
    return bytes
  }
}
