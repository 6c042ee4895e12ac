/// Names that are taken in one scope; gives each newcomer one of its own.
struct NameScope {
  private var taken: Set<String>

  init(_ taken: Set<String> = []) { self.taken = taken }

  /// The name itself where it is free, else with the suffix, else with underscores until it is.
  mutating func claim(_ name: String, suffix: String) -> String {
    var own = name
    if taken.contains(own) { own += suffix }
    while taken.contains(own) { own += "_" }
    taken.insert(own)
    return own
  }

  func contains(_ name: String) -> Bool { taken.contains(name) }
}

/// The Swift names of what a message has: no two are the same, and none hides what every message has.
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
  /// All types, and all other members.
  private var typeScope = NameScope()
  private var members = NameScope(SwiftNames.members)

  init(_ message: MessageDescriptor) {
    for name in (message.messages.filter { !$0.isMapEntry }.map(\.name) + message.enums.map(\.name)) {
      types[name] = typeScope.claim(SwiftNames.type(name), suffix: "_p")
    }
    let used = Set(message.fields.compactMap(\.oneof))
    for oneof in used.sorted() {
      let name = SwiftNames.type(SwiftNames.upperCamel(message.oneofs[oneof]))
      // A oneof that is called as its message is would hide it.
      let isHiding = name == SwiftNames.type(message.name)
      oneofTypes[oneof] = typeScope.claim(isHiding ? name + "OneOf" : name, suffix: "OneOf")
    }
    nameMembers(message, used)
  }

  /// By number, so that a field that is added later does not change the names of those that are there.
  private mutating func nameMembers(_ message: MessageDescriptor, _ oneofs: Set<Int>) {
    var cases: [Int: NameScope] = [:]
    let fields = message.fields.sorted { $0.number < $1.number }
    for field in fields {
      let name = SwiftNames.lowerCamel(field.name)
      if let oneof = field.oneof {
        self.fields[field.number] = cases[oneof, default: NameScope(SwiftNames.caseMembers)].claim(name, suffix: "_p")
      } else {
        let suffix = SwiftNames.members.contains(name) ? "_p" : "_\(field.number)"
        self.fields[field.number] = members.claim(name, suffix: suffix)
      }
    }
    for oneof in oneofs.sorted() {
      self.oneofs[oneof] = members.claim(SwiftNames.lowerCamel(message.oneofs[oneof]), suffix: "_p")
    }
    for field in fields where field.hasDefaultAccessor {
      defaults[field.number] = members.claim("\(self.fields[field.number]!)OrDefault", suffix: "_\(field.number)")
    }
  }

  func hasType(_ name: String) -> Bool { typeScope.contains(name) }

  // Extensions join what the message has.
  mutating func claimType(_ name: String) -> String { typeScope.claim(name, suffix: "_p") }

  mutating func claimMember(_ name: String, suffix: String) -> String { members.claim(name, suffix: suffix) }
}
