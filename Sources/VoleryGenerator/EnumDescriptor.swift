struct EnumDescriptor {
  struct Value {
    let name: String
    let number: Int
    let comment: String
    let isDeprecated: Bool
  }

  let name: String
  let fullName: String
  let values: [Value]
  /// Whether numbers that it does not have are unknown fields (proto2).
  let isClosed: Bool
  let isDeprecated: Bool
  let comment: String

  init(_ node: Node, _ scope: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = scope.fullName(name)
    comment = scope.comments[location]
    let options = try node.node(3)
    isDeprecated = options?.bool(3) ?? false
    isClosed = try scope.features.applying(try options?.node(7), fullName).isEnumClosed
    values = try node.nodes(2).enumerated().map { index, value in
      Value(
        name: value.string(1) ?? "", number: Int(Int32(truncatingIfNeeded: value.int(2) ?? 0)),
        comment: scope.comments[location + [2, index]], isDeprecated: try value.node(3)?.bool(1) ?? false)
    }
  }
}
