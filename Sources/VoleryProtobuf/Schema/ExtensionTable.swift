/// The extensions that a message's own file and the files that it imports declare.
struct ExtensionTable {
  private let file: FileSchema?
  /// By the extended message; made when the first is looked for, which is seldom.
  private var byMessage: [String: [FieldSchema]]?

  init(_ file: FileSchema?) { self.file = file }

  mutating func field(of message: String, numbered number: Int) -> FieldSchema? {
    all(of: message).first { $0.number == number }
  }

  /// - Parameter name: The full name, `package.extension`.
  mutating func field(of message: String, named name: String) -> FieldSchema? {
    all(of: message).first { $0.extensionName == name }
  }

  private mutating func all(of message: String) -> [FieldSchema] {
    if let byMessage { return byMessage[message] ?? [] }
    var found: [String: [FieldSchema]] = [:]
    for file in file?.reachableFiles ?? [] {
      for field in file.extensions { found[field.extendee!, default: []].append(field) }
    }
    byMessage = found
    return found[message] ?? []
  }
}
