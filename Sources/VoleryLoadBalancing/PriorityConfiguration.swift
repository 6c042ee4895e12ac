import VoleryTypes

/// gRFC A56's configuration, as a service config has it.
struct PriorityConfiguration: Hashable {
  struct Child: Hashable {
    let policy: ChildConfiguration
    let ignoresResolverRequests: Bool
  }

  let children: [String: Child]
  /// Names of children, the most wanted first; none twice.
  let priorities: [String]

  /// More than any real control plane has.
  private static let maxChildren = 1000

  init(_ reader: ConfigReader, name: String, context: PolicyContext) throws {
    var children: [String: Child] = [:]
    for (key, child) in try reader.members("children", atMost: PriorityConfiguration.maxChildren) {
      let ignores = try child.either("ignoreReresolutionRequests", "ignore_reresolution_requests", ConfigReader.bool)
      children[key] = Child(
        policy: try ChildConfiguration(child.value["config"], of: "\(name)'s child \"\(key)\"", context: context),
        ignoresResolverRequests: ignores ?? false)
    }
    var priorities: [String] = []
    for element in try reader.array("priorities") {
      guard let key = ConfigReader.string(element.value) else {
        throw ServiceConfigError("\(element.place) is not a string")
      }
      guard children[key] != nil else { throw ServiceConfigError("\(element.place): there is no child \"\(key)\"") }
      guard !priorities.contains(key) else {
        throw ServiceConfigError("\(element.place): \"\(key)\" is there already")
      }
      priorities.append(key)
    }
    self.children = children
    self.priorities = priorities
  }
}

extension ConfigReader {
  /// The members of an object, each an object in its turn; empty where it is missing.
  func members(_ name: String, atMost limit: Int) throws(ServiceConfigError) -> [String: ConfigReader] {
    guard let reader = try object(name), case .object(let members) = reader.value else { return [:] }
    guard members.count <= limit else { throw error(name, "has more than \(limit) members") }
    var readers: [String: ConfigReader] = [:]
    for key in members.keys { readers[key] = try reader.object(key) }
    return readers
  }

  /// A member under either of the two names that protobuf's JSON allows for a field.
  func either<Result>(
    _ name: String, _ other: String, _ convert: (JSONValue) -> Result?
  ) throws(ServiceConfigError) -> Result? {
    if let found = try optional(name, convert) { return found }
    return try optional(other, convert)
  }
}
