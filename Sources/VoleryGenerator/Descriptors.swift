import VoleryProtobuf

// The parts of descriptor.proto that matter for code, as values. Field numbers are descriptor.proto's.

/// A .proto file.
struct FileDescriptor {
  let name: String
  let package: String
  let dependencies: [String]
  let publicDependencies: [String]
  let messages: [MessageDescriptor]
  let enums: [EnumDescriptor]
  let services: [ServiceDescriptor]
  let swiftPrefix: String?
  let syntax: Syntax
  /// The serialized descriptor without comments.
  let serialized: [UInt8]

  enum Syntax { case proto2, proto3, editions }

  init(_ node: Node) throws {
    name = node.string(1) ?? ""
    package = node.string(2) ?? ""
    dependencies = node.strings(3)
    let all = dependencies
    publicDependencies = node.ints(10).compactMap { all.indices.contains($0) ? all[$0] : nil }
    switch node.string(12) ?? "proto2" {
    case "proto2": syntax = .proto2
    case "proto3": syntax = .proto3
    case "editions": syntax = .editions
    case let other: throw PluginError("\(name): the syntax \"\(other)\" is unknown")
    }
    let options = try node.node(8)
    swiftPrefix = options?.string(39)
    let features = Features(syntax: syntax).applying(try options?.node(50))
    let comments = try Comments(node.node(9))
    let scope = Scope(path: package.isEmpty ? [] : [package], syntax: syntax, features: features, comments: comments)
    var messages: [MessageDescriptor] = []
    for (index, message) in try node.nodes(4).enumerated() {
      messages.append(try MessageDescriptor(message, scope, location: [4, index]))
    }
    self.messages = messages
    var enums: [EnumDescriptor] = []
    for (index, value) in try node.nodes(5).enumerated() {
      enums.append(try EnumDescriptor(value, scope, location: [5, index]))
    }
    self.enums = enums
    var services: [ServiceDescriptor] = []
    for (index, service) in try node.nodes(6).enumerated() {
      services.append(try ServiceDescriptor(service, scope, location: [6, index]))
    }
    self.services = services
    serialized = try FileDescriptor.withoutComments(node.bytes)
  }

  private static func withoutComments(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { raw in
      var reader = WireReader(raw)
      var out: [UInt8] = []
      while let field = try reader.next() { if field.number != 9 { out.append(contentsOf: field.raw) } }
      return out
    }
  }
}

/// Why no code can be made; protoc shows it to the user.
struct PluginError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// What editions make adjustable (descriptor.proto, FeatureSet), resolved.
struct Features {
  /// Whether a singular scalar says if it is set.
  var hasExplicitPresence: Bool
  var isPacked: Bool
  var isDelimited = false

  init(syntax: FileDescriptor.Syntax) {
    hasExplicitPresence = syntax != .proto3
    isPacked = syntax != .proto2
  }

  func applying(_ node: Node?) -> Features {
    guard let node else { return self }
    var features = self
    if let presence = node.int(1) { features.hasExplicitPresence = presence != 2 }
    if let encoding = node.int(3) { features.isPacked = encoding == 1 }
    if let encoding = node.int(5) { features.isDelimited = encoding == 2 }
    return features
  }
}

/// Where a descriptor stands.
struct Scope {
  /// Package and messages around.
  var path: [String]
  let syntax: FileDescriptor.Syntax
  var features: Features
  let comments: Comments

  func inside(_ name: String) -> Scope {
    var scope = self
    scope.path.append(name)
    return scope
  }

  func fullName(_ name: String) -> String { (path + [name]).joined(separator: ".") }
}

/// Comments by the path of what they stand before (SourceCodeInfo).
struct Comments {
  private var leading: [[Int]: String] = [:]

  init(_ node: Node?) throws {
    for location in try node?.nodes(1) ?? [] {
      if let text = location.string(3) ?? location.string(4) { leading[location.ints(1)] = text }
    }
  }

  subscript(path: [Int]) -> String { leading[path] ?? "" }
}

struct MessageDescriptor {
  let name: String
  let fullName: String
  let fields: [FieldDescriptor]
  let oneofs: [String]
  let messages: [MessageDescriptor]
  let enums: [EnumDescriptor]
  let isMapEntry: Bool
  let isDeprecated: Bool
  let comment: String

  init(_ node: Node, _ outer: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = outer.fullName(name)
    comment = outer.comments[location]
    let options = try node.node(7)
    isMapEntry = options?.bool(7) ?? false
    isDeprecated = options?.bool(3) ?? false
    var scope = outer.inside(name)
    scope.features = scope.features.applying(try options?.node(12))
    oneofs = try node.nodes(8).map { $0.string(1) ?? "" }
    var fields: [FieldDescriptor] = []
    for (index, field) in try node.nodes(2).enumerated() {
      fields.append(try FieldDescriptor(field, scope, location: location + [2, index], message: fullName))
    }
    self.fields = fields
    var messages: [MessageDescriptor] = []
    for (index, message) in try node.nodes(3).enumerated() {
      messages.append(try MessageDescriptor(message, scope, location: location + [3, index]))
    }
    self.messages = messages
    var enums: [EnumDescriptor] = []
    for (index, value) in try node.nodes(4).enumerated() {
      enums.append(try EnumDescriptor(value, scope, location: location + [4, index]))
    }
    self.enums = enums
  }
}

struct FieldDescriptor {
  /// descriptor.proto's numbers of types.
  enum Kind: Int {
    case double = 1
    case float, int64, uint64, int32, fixed64, fixed32, bool, string, group, message, bytes, uint32, `enum`
    case sfixed32, sfixed64, sint32, sint64
  }

  let name: String
  let number: Int
  let kind: Kind
  let isRepeated: Bool
  /// The full name of the message or enum, without the leading dot.
  let typeName: String
  /// The oneof that a user sees; nil for the one that stands for proto3's `optional`.
  let oneof: Int?
  let hasPresence: Bool
  let isPacked: Bool
  let isDeprecated: Bool
  let comment: String

  init(_ node: Node, _ scope: Scope, location: [Int], message: String) throws {
    name = node.string(1) ?? ""
    number = node.int(3) ?? 0
    guard let kind = Kind(rawValue: node.int(5) ?? 0) else {
      throw PluginError("\(message).\(name): an unknown type")
    }
    let options = try node.node(8)
    let features = scope.features.applying(try options?.node(21))
    guard kind != .group, !(kind == .message && features.isDelimited) else {
      throw PluginError("\(message).\(name): groups (and features.message_encoding = DELIMITED) are not supported")
    }
    self.kind = kind
    isRepeated = node.int(4) == 3
    typeName = String((node.string(6) ?? "").drop { $0 == "." })
    let isOptional = node.bool(17) ?? false
    oneof = isOptional ? nil : node.int(9)
    hasPresence = isOptional || kind == .message || features.hasExplicitPresence
    let mayPack = ![.string, .bytes, .message].contains(kind)
    isPacked = isRepeated && mayPack && (options?.bool(2) ?? features.isPacked)
    isDeprecated = options?.bool(3) ?? false
    comment = scope.comments[location]
  }
}

struct EnumDescriptor {
  struct Value {
    let name: String
    let number: Int
    let comment: String
  }

  let name: String
  let fullName: String
  let values: [Value]
  let comment: String

  init(_ node: Node, _ scope: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = scope.fullName(name)
    comment = scope.comments[location]
    values = try node.nodes(2).enumerated().map { index, value in
      Value(
        name: value.string(1) ?? "", number: Int(Int32(truncatingIfNeeded: value.int(2) ?? 0)),
        comment: scope.comments[location + [2, index]])
    }
  }
}

struct ServiceDescriptor {
  struct Method {
    let name: String
    let input: String
    let output: String
    let streamsRequests: Bool
    let streamsResponses: Bool
    /// descriptor.proto's IdempotencyLevel: 0 unknown, 1 no side effects, 2 idempotent.
    let idempotency: Int
    let comment: String
    let isDeprecated: Bool
  }

  let name: String
  let fullName: String
  let methods: [Method]
  let comment: String

  init(_ node: Node, _ scope: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = scope.fullName(name)
    comment = scope.comments[location]
    methods = try node.nodes(2).enumerated().map { index, method in
      let options = try method.node(4)
      return Method(
        name: method.string(1) ?? "", input: String((method.string(2) ?? "").drop { $0 == "." }),
        output: String((method.string(3) ?? "").drop { $0 == "." }), streamsRequests: method.bool(5) ?? false,
        streamsResponses: method.bool(6) ?? false, idempotency: options?.int(34) ?? 0,
        comment: scope.comments[location + [2, index]], isDeprecated: options?.bool(33) ?? false)
    }
  }
}
