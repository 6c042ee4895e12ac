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
  /// `extend` blocks outside of messages.
  let extensions: [FieldDescriptor]
  let swiftPrefix: String?
  let syntax: Syntax
  /// As the compiler sent it; see CanonicalDescriptor.
  let bytes: [UInt8]

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
    if syntax == .editions, let edition = node.int(14), !FileDescriptor.editions.contains(edition) {
      throw PluginError("\(name): the edition of number \(edition) is not supported; 2023 and 2024 are")
    }
    let options = try node.node(8)
    swiftPrefix = options?.string(39)
    let features = try Features(syntax: syntax).applying(try options?.node(50), node.string(1) ?? "")
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
    extensions = try FieldDescriptor.all(node.nodes(7), scope, location: [7])
    bytes = node.bytes
  }

  /// The package as the start of names: `Orders_V1_` for `orders.v1`.
  var packagePrefix: String {
    package.split(separator: ".").map { SwiftNames.upperFirst(SwiftNames.lowerCamel(String($0))) + "_" }.joined()
  }

  /// The full name of something at the top of the file.
  func fullName(_ name: String) -> String { package.isEmpty ? name : "\(package).\(name)" }

  static let descriptorProto = "google/protobuf/descriptor.proto"

  /// descriptor.proto's Edition: 2023 and 2024, whose defaults are the same as far as code is concerned.
  static let editions = 1000...1001
}

/// Why no code can be made; protoc shows it to the user.
struct PluginError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// Where a descriptor stands.
struct Scope {
  /// Package and messages around.
  var path: [String]
  let syntax: FileDescriptor.Syntax
  var features: Features
  let comments: Comments
  var isMapEntry = false
  /// The full names of the entries of the message's maps.
  var mapEntries: Set<String> = []
  /// What the oneofs of the message around say.
  var oneofFeatures: [Node?] = []

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
