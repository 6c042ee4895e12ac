import VoleryProtobuf

/// A message as JSON (`FuzzedMessage`).
enum JSONTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let input = FuzzedMessage(input) else { return }
    check(input.type, input)
  }

  private static func check<M: Message>(_ type: M.Type, _ input: FuzzedMessage) {
    var options = JSONDecodingOptions()
    options.types = FuzzedMessage.registry
    options.ignoresUnknownFields = input.choice & 1 != 0
    guard let message = try? M(jsonUTF8Bytes: input.bytes, options: options) else { return }
    let promises = MessagePromises(message)
    promises.checkBinary()
    promises.checkJSON(isFromJSON: true, choice: input.choice)
    promises.checkTextFormat(isFromText: false)
  }
}
