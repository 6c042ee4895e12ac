import VoleryTypes

/// Decides where a call goes, by its path and its metadata. A value without I/O: each event loop has a copy, with its own turns of
/// weighted targets and its own memory of the methods that were called last.
struct RouteTable: Sendable {
  /// What holds for the calls of one route. An object, so that a call takes one reference of it and no copy.
  final class Rule: Sendable {
    fileprivate let headers: [ProxyHeaderMatch]
    fileprivate let service: String?
    fileprivate let pathPrefix: String?
    /// Of each destination, the number of its target.
    fileprivate let targets: [Int]
    let authority: ProxyAuthority?
    let maxTimeout: Duration?

    fileprivate init(_ route: ProxyRoute, _ numbers: [ObjectIdentifier: Int]) {
      headers = route.headers
      service = route.service
      pathPrefix = route.pathPrefix
      targets = route.destinations.map { numbers[ObjectIdentifier($0.target)] ?? 0 }
      authority = route.authority
      maxTimeout = route.maxTimeout
    }
  }

  enum Decision {
    /// The path is none of a method.
    case noMethod
    case noRoute
    case forward(MethodDescriptor, target: Int, Rule)
  }

  private let rules: [Rule]
  /// Of each rule, which target is next.
  private var turns: [WeightedTurns]
  private var methods = MethodMemo()

  /// - Parameter numbers: Of the routes' targets, by identity.
  /// - Throws: What is wrong with the weights of a route, which is named by its place.
  init(_ routes: [ProxyRoute], numbers: [ObjectIdentifier: Int]) throws(RouteError) {
    rules = routes.map { Rule($0, numbers) }
    turns = []
    for (place, route) in routes.enumerated() {
      guard let weighted = WeightedTurns(route.destinations.map(\.weight)) else { throw RouteError(route: place) }
      turns.append(weighted)
    }
  }

  struct RouteError: Error {
    let route: Int
  }

  mutating func decide(path: UnsafeRawBufferPointer, _ metadata: borrowing Metadata) -> Decision {
    guard let entry = methods.entry(of: path, { [rules] in RouteTable.candidates($0, among: rules) }) else {
      return .noMethod
    }
    for place in entry.candidates {
      let rule = rules[place]
      if rule.accepts(metadata) { return .forward(entry.method, target: rule.targets[turns[place].next()], rule) }
    }
    return .noRoute
  }

  /// The routes that a method's calls can meet, in order; behind one that they meet whatever their metadata there is none.
  private static func candidates(_ method: MethodDescriptor, among rules: [Rule]) -> [Int] {
    var found: [Int] = []
    for (place, rule) in rules.enumerated() where rule.accepts(method) {
      found.append(place)
      if rule.headers.isEmpty { break }
    }
    return found
  }
}

extension RouteTable.Rule {
  fileprivate func accepts(_ method: MethodDescriptor) -> Bool {
    if let service, service != method.service { return false }
    return pathPrefix.map { method.path.utf8.starts(with: $0.utf8) } ?? true
  }

  fileprivate func accepts(_ metadata: borrowing Metadata) -> Bool {
    for header in headers {
      var isMet = false
      metadata.forEachEntry { key, value in
        if !isMet, key.count == header.name.count, key.elementsEqual(header.name) { isMet = header.accepts(value) }
      }
      guard isMet else { return false }
    }
    return true
  }
}
