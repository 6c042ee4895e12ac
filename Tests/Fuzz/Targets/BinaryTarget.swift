import VoleryProtobuf

/// The first byte chooses a message, the rest is its encoding. What can be read can be written, and what was written is read
/// as the same value.
enum BinaryTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let choice = input.first else { return }
    let bytes = Array(input.dropFirst())
    switch choice & 3 {
    case 0: check(Everything.self, bytes)
    case 1: check(Old.self, bytes)
    case 2: check(Numbers.self, bytes)
    default: check(Nothing.self, bytes)
    }
  }

  private static func check<M: Message>(_ type: M.Type, _ bytes: [UInt8]) {
    guard let message = try? M(decoding: bytes) else { return }
    guard let written = try? message.encoded() else { fatalError("a message that was read can't be written") }
    guard let again = try? M(decoding: written) else { fatalError("what was written can't be read") }
    guard let rewritten = try? again.encoded() else { fatalError("a message that was read twice can't be written") }
    // Not a number is unequal to itself, and maps have no order: the bytes, in any order, are the same then.
    precondition(
      again == message && again.hashValue == message.hashValue || rewritten.sorted() == written.sorted(),
      "reading what was written gives another message")
  }
}
