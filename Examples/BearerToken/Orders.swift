import Volery

/// A service that answers only calls with a token that its token server has issued.
struct Orders: Service {
  static let whoAmI = Method<[UInt8], [UInt8]>(service: "demo.Orders", name: "WhoAmI", kind: .unary)

  let tokens: TokenServer

  var handlers: [MethodHandler] {
    [.unary(Orders.whoAmI) { _, context in Array(try caller(context).utf8) }]
  }

  /// Whose token came with the call.
  private func caller(_ context: ServerContext) throws -> String {
    let values = context.metadata.values("authorization")
    guard let value = values.first, values.count == 1, value.hasPrefix("Bearer ") else {
      throw StatusError(.unauthenticated, "a bearer token is needed")
    }
    guard let owner = tokens.owner(of: String(value.dropFirst("Bearer ".count))) else {
      throw StatusError(.unauthenticated, "the bearer token is unknown, or has expired")
    }
    return owner
  }
}
