public import VoleryTypes

extension Attributes {
  private enum ChildPath: AttributeKey { typealias Value = [String] }
  private enum HashKey: AttributeKey { typealias Value = String }

  /// Of an endpoint: which child it belongs to at each level of a tree of policies, the topmost first (gRFC A56, hierarchical
  /// addresses). A policy whose children have names (`priority_experimental`, `weighted_target_experimental`) takes the first
  /// element off. Empty: to none. Where nobody has set it, the custom attribute `childPath` counts, whose elements are separated
  /// by slashes: a file has no other way to say it.
  public var childPath: [String] {
    get { self[ChildPath.self] ?? custom["childPath"].map { $0.split(separator: "/").map(String.init) } ?? [] }
    set { self[ChildPath.self] = newValue }
  }

  /// Of an endpoint: what stands for it in the ring of `ring_hash_experimental` (gRFC A76), such as a pod's name, which outlives its
  /// address. Nil: its first address. Where nobody has set it, the custom attribute `hashKey` counts.
  public var hashKey: String? {
    get { self[HashKey.self] ?? custom["hashKey"] }
    set { self[HashKey.self] = newValue }
  }
}

extension Attributes {
  fileprivate struct BelowChild {
    let name: String
    let attributes: Attributes
  }

  /// What the child of the first element gets; nil: there is none.
  fileprivate func takeChild() -> BelowChild? {
    var path = childPath
    guard !path.isEmpty else { return nil }
    let name = path.removeFirst()
    var attributes = self
    attributes.childPath = path
    return BelowChild(name: name, attributes: attributes)
  }
}

extension [Endpoint] {
  /// By the first element of their path, which is taken off; those without a path are left out.
  func groupedByChild() -> [String: [Endpoint]] {
    var groups: [String: [Endpoint]] = [:]
    // A resolver gives many endpoints the same attributes as a rule: they stay the same ones.
    var before = Attributes()
    var below = before.takeChild()
    for var endpoint in self {
      if !endpoint.attributes.isIdentical(to: before) {
        before = endpoint.attributes
        below = before.takeChild()
      }
      guard let below else { continue }
      endpoint.attributes = below.attributes
      groups[below.name, default: []].append(endpoint)
    }
    return groups
  }
}
