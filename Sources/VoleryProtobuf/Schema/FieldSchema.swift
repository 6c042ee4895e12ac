/// A field as its .proto declares it.
package final class FieldSchema: @unchecked Sendable {  // Isolation: constant
  /// descriptor.proto's numbers of types.
  package enum Kind: Int, Sendable {
    case double = 1
    case float, int64, uint64, int32, fixed64, fixed32, bool, string, group, message, bytes, uint32, `enum`
    case sfixed32, sfixed64, sint32, sint64

    var isMessage: Bool { self == .message || self == .group }

    /// The wire type of one value that is not packed.
    var wireType: Int {
      switch self {
      case .double, .fixed64, .sfixed64: 1
      case .float, .fixed32, .sfixed32: 5
      case .string, .bytes, .message: 2
      case .group: 3
      case .int32, .int64, .uint32, .uint64, .sint32, .sint64, .bool, .enum: 0
      }
    }
  }

  package let name: String
  package let jsonName: String
  package let number: Int
  /// `group` also for messages with DELIMITED encoding.
  package let kind: Kind
  package let isRepeated: Bool
  package let isRequired: Bool
  package let isPacked: Bool
  /// Whether the field says if it is set; never so for repeated ones.
  package let hasPresence: Bool
  /// The index of the oneof, which is not the one that stands for proto3's `optional`.
  package let oneof: Int?
  let typeName: String
  // Set once, while the file's schema is made.
  package internal(set) unowned(unsafe) var message: MessageSchema!
  package internal(set) unowned(unsafe) var enumeration: EnumSchema!
  /// Its place among the fields of its message, by number.
  package internal(set) var index = 0
  /// The full names of an extension and of the message that it extends.
  let extensionName: String?
  let extendee: String?

  /// - Parameter scope: For an extension: what its full name starts with.
  init?(_ node: DescriptorNode, _ features: FeatureSet, extensionIn scope: String? = nil) {
    guard let kind = Kind(rawValue: node.int(5) ?? 0) else { return nil }
    let name = node.string(1) ?? ""
    extensionName = scope.map { $0 + name }
    extendee = scope.map { _ in String((node.string(2) ?? "").drop { $0 == "." }) }
    self.name = extensionName.map { "[\($0)]" } ?? name
    jsonName = extensionName.map { "[\($0)]" } ?? node.string(10) ?? FieldSchema.lowerCamel(name)
    number = node.int(3) ?? 0
    let options = node.node(8)
    let own = features.applying(options?.node(21))
    isRepeated = node.int(4) == 3
    isRequired = node.int(4) == 2 || own.presence == .required
    typeName = String((node.string(6) ?? "").drop { $0 == "." })
    let isOptional = node.bool(17) ?? false
    oneof = isOptional ? nil : node.int(9)
    hasPresence =
      !isRepeated
      && (isOptional || kind.isMessage || node.int(9) != nil || isRequired || extensionName != nil
        || own.presence == .explicit)
    isPacked = isRepeated && kind.wireType != 2 && kind.wireType != 3 && (options?.bool(2) ?? own.isPacked)
    self.kind = kind == .message && own.isDelimited ? .group : kind
  }

  /// The field `value` of a wrapper message.
  init(wrapperValue kind: Kind) {
    name = "value"
    jsonName = "value"
    extensionName = nil
    extendee = nil
    number = 1
    self.kind = kind
    isRepeated = false
    isRequired = false
    isPacked = false
    hasPresence = false
    oneof = nil
    typeName = ""
  }

  var isMap: Bool { isRepeated && kind == .message && message.isMapEntry }

  func resolve(_ find: (String) -> SchemaType?) -> Bool {
    guard kind.isMessage || kind == .enum else { return true }
    switch find(typeName) {
    case .message(let schema)?: message = schema
    case .enumeration(let schema)?: enumeration = schema
    case nil: return false
    }
    return kind.isMessage ? message != nil : enumeration != nil
  }

  private static func lowerCamel(_ name: String) -> String {
    var out = ""
    var isNextUpper = false
    for letter in name.unicodeScalars {
      if letter == "_" {
        isNextUpper = true
      } else {
        out += isNextUpper ? String(letter).uppercased() : String(letter)
        isNextUpper = false
      }
    }
    return out
  }
}
