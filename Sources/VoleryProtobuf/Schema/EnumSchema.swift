/// An enum as its .proto declares it.
package final class EnumSchema: Sendable {
  package let fullName: String
  /// Whether numbers that have no name are not values of it.
  package let isClosed: Bool
  package let first: Int32
  private let names: [Int32: String]
  private let numbers: [String: Int32]

  init(_ node: DescriptorNode, fullName: String, _ features: FeatureSet) {
    self.fullName = fullName
    isClosed = features.applying(node.node(3)?.node(7)).isClosed
    var names: [Int32: String] = [:]
    var numbers: [String: Int32] = [:]
    var first: Int32?
    for value in node.nodes(2) {
      let number = Int32(truncatingIfNeeded: value.int(2) ?? 0)
      let name = value.string(1) ?? ""
      first = first ?? number
      numbers[name] = number
      // Of aliases the first is the name.
      if names[number] == nil { names[number] = name }
    }
    self.names = names
    self.numbers = numbers
    self.first = first ?? 0
  }

  package func name(of number: Int32) -> String? { names[number] }
  package func number(named name: String) -> Int32? { numbers[name] }
}
