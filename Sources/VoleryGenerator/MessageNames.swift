/// The Swift names of what a message has: no two are the same, and none hides what every message has. Who gets which name
/// does not depend on the order in the .proto, and a field that is added with a higher number changes no other's name.
struct MessageNames {
  /// By field number; of those in oneofs, the names of the cases.
  private(set) var fields: [Int: String] = [:]
  /// The accessors of fields with a default of their own, by field number.
  private(set) var defaults: [Int: String] = [:]
  /// By index.
  private(set) var oneofs: [Int: String] = [:]
  private(set) var oneofTypes: [Int: String] = [:]
  /// Nested messages and enums, by their names in the .proto.
  private(set) var types: [String: String] = [:]
  private var typeScope = NameScope()
  /// All members; types are among them, because Swift tells a type and a property apart no better.
  private var members = NameScope(SwiftNames.members)

  init(_ message: MessageDescriptor) {
    // Those that keep their names first.
    let names = message.messages.filter { !$0.isMapEntry }.map(\.name) + message.enums.map(\.name)
    for name in names.sorted(by: SwiftNames.keepsType) {
      let own = SwiftNames.type(name)
      types[name] = nameType(own, "\(own)_p")
    }
    var oneofs: [Int: Int] = [:]
    for field in message.fields {
      guard let oneof = field.oneof else { continue }
      oneofs[oneof] = min(oneofs[oneof] ?? .max, field.number)
    }
    // By the lowest number of their fields.
    let used = oneofs.sorted { $0.value < $1.value }.map(\.key)
    for oneof in used {
      let name = SwiftNames.type(SwiftNames.upperCamel(message.oneofs[oneof]))
      // A oneof that is called as its message is would hide it.
      let first = name == SwiftNames.type(message.name) ? "\(name)OneOf" : name
      oneofTypes[oneof] = nameType(first, "\(name)OneOf", "\(name)OneOf_\(oneofs[oneof]!)")
    }
    nameMembers(message, used)
  }

  private mutating func nameType(_ first: String, _ second: String, _ third: String? = nil) -> String {
    let members = members
    let own = typeScope.claim(first, second, third ?? second) { !members.contains($0) }
    self.members = members.with(own)
    return own
  }

  /// By number, so that a field that is added later does not change the names of those that are there.
  private mutating func nameMembers(_ message: MessageDescriptor, _ oneofs: [Int]) {
    var cases: [Int: NameScope] = [:]
    let fields = message.fields.sorted { $0.number < $1.number }
    for field in fields {
      let name = SwiftNames.lowerCamel(field.name)
      if let oneof = field.oneof {
        self.fields[field.number] = cases[oneof, default: NameScope(SwiftNames.caseMembers)]
          .claim(name, "\(name)_p", "\(name)_\(field.number)")
      } else {
        self.fields[field.number] = claimMember(name, number: field.number)
      }
    }
    for oneof in oneofs {
      let name = SwiftNames.lowerCamel(message.oneofs[oneof])
      let number = fields.first { $0.oneof == oneof }!.number
      self.oneofs[oneof] = claim(name, "\(name)_p", "\(name)_\(number)")
    }
    for field in fields where field.hasDefaultAccessor {
      let name = "\(self.fields[field.number]!)OrDefault"
      defaults[field.number] = claim(name, "\(name)_\(field.number)", "\(name)_\(field.number)")
    }
  }

  private mutating func claim(_ first: String, _ second: String, _ third: String) -> String {
    let types = typeScope
    // Generated code has a variable of the same name with an underscore before it.
    return members.claim(first, second, third) { !types.contains("_\($0)") }
  }

  func hasType(_ name: String) -> Bool { typeScope.contains(name) }

  // Extensions join what the message has.

  mutating func claimType(_ name: String, number: Int) -> String { nameType(name, "\(name)_\(number)") }

  mutating func claimMember(_ name: String, number: Int) -> String {
    claim(name, SwiftNames.members.contains(name) ? "\(name)_p" : "\(name)_\(number)", "\(name)_\(number)")
  }
}
