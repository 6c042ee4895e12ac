/// Message types by their names: what `google.protobuf.Any` may hold where it has to be read or written as text. A plain
/// value; a program makes one of the types that it knows.
///
/// Never need registering: the well-known types with a JSON form of their own, and messages of the .proto files that the
/// converted message's own file imports, directly or not.
public struct TypeRegistry: Sendable {
  private var types: [String: any Message.Type] = [:]

  /// Only the types that need no registering.
  public init() {}

  /// These types, and those that need no registering; of types with one name the last one counts.
  public init(_ types: [any Message.Type]) {
    for type in types { self.types[type.messageName] = type }
  }

  /// Adds a type under its full name, in place of another that has it.
  public mutating func insert(_ type: any Message.Type) { types[type.messageName] = type }

  /// The type with this full name.
  public func type(named name: String) -> (any Message.Type)? { types[name] }

  /// The full name that a type URL ends in; nil when there is none.
  static func messageName(ofTypeURL url: String) -> String? {
    guard let slash = url.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    let name = url[url.utf8.index(after: slash)...]
    return name.isEmpty || slash == url.startIndex ? nil : String(name)
  }

  /// The schema of a type: registered, or of `file` and what it imports.
  func schema(named name: String, from file: FileSchema) -> MessageSchema? {
    types[name]?.schema ?? file.reachableMessage(named: name)
  }
}
