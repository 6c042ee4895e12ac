import VoleryTransport
import VoleryTypes

/// Cuts a stream of bytes into length-prefixed messages (doc/PROTOCOL-HTTP2.md): 1 byte flag, 4 bytes length, the message.
///
/// Its memory grows with what has arrived, never with what is announced: five bytes may announce gigabytes.
package struct MessageDeframer {
  package enum Failure: Error, Equatable {
    case tooLarge(Int)
    /// The flag byte is neither 0 nor 1.
    case badFlag(UInt8)
  }

  private let limit: Int
  private var prefix: UInt64 = 0
  private var prefixCount = 0
  private var message: [UInt8] = []
  private var length = 0

  /// Of a message that is not complete, memory is taken for so many times what has arrived: what arrives next finds its
  /// place as a rule, and a thirtieth of a large message is copied twice.
  package static let growth = 32

  package init(limit: Int) { self.limit = limit }

  /// Whether the stream may end here: not within a message.
  package var isAtBoundary: Bool { prefixCount == 0 }

  /// What the message that is not complete takes up.
  package var reservedByteCount: Int { message.capacity }

  /// What is left to come of a message whose length is known; 0 where none is under way.
  package var missingByteCount: Int { length - message.count }

  /// Bytes of the message that is not complete yet, if its whole is known to be at least `size` bytes long.
  func incompleteByteCount(ofMessagesFrom size: Int) -> Int {
    prefixCount == MessageSink.prefixByteCount && length >= size ? message.count : 0
  }

  package mutating func receive(
    _ bytes: UnsafeRawBufferPointer, _ emit: (_ message: [UInt8], _ isCompressed: Bool) -> Void
  ) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      if prefixCount == 0, let message = try takeWhole(&rest) {
        emit(message.bytes, message.isCompressed)
        continue
      }
      if prefixCount < MessageSink.prefixByteCount {
        try readPrefix(&rest)
        if prefixCount < MessageSink.prefixByteCount { return }
      }
      // An empty message is complete with its prefix: the code below takes nothing and finishes it.
      let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(length - message.count))
      if message.capacity - message.count < taken.count { grow(by: taken.count) }
      message.append(contentsOf: UnsafeBufferPointer(taken))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
      if message.count == length { finish(emit) }
    }
  }

  /// For the whole message as soon as that part of it is there; until then never beyond it, after which all of it
  /// is copied to its final place.
  private mutating func grow(by count: Int) {
    let arrived = message.count + count
    let (allowed, isAll) = arrived.multipliedReportingOverflow(by: MessageDeframer.growth)
    guard !isAll, allowed < length else { return message.reserveCapacity(length) }
    message.reserveCapacity(max(arrived, min(allowed, length / MessageDeframer.growth)))
  }

  /// Lets go of what is there of a message that nobody wants any more.
  package mutating func discard() { self = MessageDeframer(limit: limit) }

  /// A message that is there as a whole, which is the normal case: one copy.
  private func takeWhole(_ rest: inout UnsafeRawBufferPointer) throws(Failure) -> ReceivedMessage? {
    let prefixCount = MessageSink.prefixByteCount
    guard rest.count >= prefixCount else { return nil }
    let flag = rest[0]
    let length = Int(UInt32(bigEndian: rest.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
    guard flag <= 1 else { throw .badFlag(flag) }
    guard length <= limit else { throw .tooLarge(length) }
    guard rest.count - prefixCount >= length else { return nil }
    let end = prefixCount + length
    let message = Array(UnsafeRawBufferPointer(rebasing: rest[prefixCount..<end]))
    rest = UnsafeRawBufferPointer(rebasing: rest[end...])
    return ReceivedMessage(message, isCompressed: flag == 1)
  }

  private mutating func readPrefix(_ rest: inout UnsafeRawBufferPointer) throws(Failure) {
    let count = min(MessageSink.prefixByteCount - prefixCount, rest.count)
    for byte in rest.prefix(count) { prefix = prefix << 8 | UInt64(byte) }
    prefixCount += count
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    guard prefixCount == MessageSink.prefixByteCount else { return }
    let flag = UInt8(prefix >> 32)
    guard flag <= 1 else { throw .badFlag(flag) }
    length = Int(prefix & 0xffff_ffff)
    guard length <= limit else { throw .tooLarge(length) }
  }

  private mutating func finish(_ emit: (_ message: [UInt8], _ isCompressed: Bool) -> Void) {
    let complete = message
    let isCompressed = prefix >> 32 == 1
    message = []
    prefix = 0
    prefixCount = 0
    length = 0
    emit(complete, isCompressed)
  }
}
