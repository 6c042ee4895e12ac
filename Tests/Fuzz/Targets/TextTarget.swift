import VoleryProtobuf

/// A message in text format (`FuzzedMessage`).
enum TextTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let input = FuzzedMessage(input) else { return }
    check(input.type, input)
  }

  private static func check<M: Message>(_ type: M.Type, _ input: FuzzedMessage) {
    var options = TextFormatDecodingOptions()
    options.types = FuzzedMessage.registry
    guard let message = try? M(textFormat: String(decoding: input.bytes, as: UTF8.self), options: options) else {
      return
    }
    let promises = MessagePromises(message)
    promises.checkBinary()
    promises.checkJSON(isFromJSON: false, choice: input.choice)
    promises.checkTextFormat(isFromText: true)
  }
}
