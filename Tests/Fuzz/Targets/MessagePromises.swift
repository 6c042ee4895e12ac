import VoleryProtobuf

/// What is true of every message that was read, in whichever format.
struct MessagePromises<M: Message> {
  let message: M

  init(_ message: M) { self.message = message }

  /// It can be written, and what was written is read as the same message.
  func checkBinary() {
    guard let written = try? message.encoded() else { fatalError("a message that was read can't be written") }
    guard let again = try? M(decoding: written) else { fatalError("what was written can't be read") }
    checkEqual(again, "in binary")
  }

  /// It may be too much for JSON (times out of range, an Any of an unknown type), but what was written is read again.
  func checkJSON(isFromJSON: Bool, choice: UInt8) {
    var options = JSONEncodingOptions()
    options.types = FuzzedMessage.registry
    options.usesProtoFieldNames = choice & 1 != 0
    options.includesDefaultValues = choice & 1 != 0
    options.writesEnumsAsNumbers = choice & 2 != 0
    guard let written = try? message.jsonUTF8Bytes(options: options) else {
      precondition(!isFromJSON, "a message that was read from JSON can't be written as JSON")
      return
    }
    var reading = JSONDecodingOptions()
    reading.types = FuzzedMessage.registry
    do {
      let again = try M(jsonUTF8Bytes: written, options: reading)
      // Unknown fields, of which JSON has none, may be anywhere in a message that was read from elsewhere.
      if isFromJSON { checkEqual(again, "in JSON") }
    } catch {
      fatalError("what was written as JSON can't be read: \(error): \(String(decoding: written, as: UTF8.self))")
    }
  }

  /// It is text. Read again it is the same, unless it has unknown fields, which text names by number: text brings them only
  /// as the bytes of an `Any`. The bytes of an `Any` of a known type may come back in another form: then the text is the same.
  func checkTextFormat(isFromText: Bool) {
    var options = TextFormatOptions()
    options.types = FuzzedMessage.registry
    let written = message.textFormat(options: options)
    guard isFromText else { return }
    options.includesUnknownFields = false
    guard message.textFormat(options: options) == written else { return }
    var reading = TextFormatDecodingOptions()
    reading.types = FuzzedMessage.registry
    do {
      let again = try M(textFormat: written, options: reading)
      if again.textFormat(options: options) == written, written.contains("[") { return }
      checkEqual(again, "in text format")
    } catch { fatalError("what was written in text format can't be read: \(error): \(written)") }
  }

  private func checkEqual(_ again: M, _ how: String) {
    if again == message, again.hashValue == message.hashValue { return }
    // Not a number is unequal to itself, and maps have no order: the bytes, in any order, are the same then.
    guard let mine = try? message.encoded(), let others = try? again.encoded(), mine.sorted() == others.sorted() else {
      fatalError("\(how), reading what was written gives another message")
    }
  }
}
