import VoleryProtobuf

/// The encoding of a message (`FuzzedMessage`). It is written in the other formats, too: these have their own code for bytes.
enum BinaryTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let input = FuzzedMessage(input) else { return }
    check(input.type, input)
  }

  private static func check<M: Message>(_ type: M.Type, _ input: FuzzedMessage) {
    guard let message = try? M(decoding: input.bytes) else { return }
    let promises = MessagePromises(message)
    promises.checkBinary()
    promises.checkJSON(isFromJSON: false, choice: input.choice)
    promises.checkTextFormat(isFromText: false)
  }
}
