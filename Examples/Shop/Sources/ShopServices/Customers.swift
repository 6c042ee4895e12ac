import Volery

/// Who calls: what a handler gets by `context.caller(Customer.self)`.
package struct Customer: Sendable {
  package let name: String

  package init(name: String) { self.name = name }
}

/// Those who may call, by their tokens.
package struct Customers: Sendable {
  private let byToken: [String: Customer]

  /// - Parameter text: `TOKEN=NAME`, separated by commas.
  package init(_ text: String) {
    let pairs = text.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1) }.filter { $0.count == 2 }
    byToken = Dictionary(
      pairs.map { (String($0[0]), Customer(name: String($0[1]))) }, uniquingKeysWith: { first, _ in first })
  }

  package func customer(withToken token: String?) throws -> Customer {
    guard let token, let customer = byToken[token] else {
      throw StatusError(.unauthenticated, "a known token is needed")
    }
    return customer
  }
}
