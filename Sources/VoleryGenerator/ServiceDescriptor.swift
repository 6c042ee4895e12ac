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
  let isDeprecated: Bool

  init(_ node: Node, _ scope: Scope, location: [Int]) throws {
    name = node.string(1) ?? ""
    fullName = scope.fullName(name)
    comment = scope.comments[location]
    isDeprecated = try node.node(3)?.bool(33) ?? false
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
