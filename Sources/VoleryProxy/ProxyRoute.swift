/// Which calls go where. A proxy's routes are a list: the first one that a call meets holds for it, and a call that meets none is
/// refused with UNIMPLEMENTED.
public struct ProxyRoute: Sendable {
  /// The service's full name, `package.Service`; nil: any.
  public var service: String?
  /// What the path begins with: `/shop.` for all services of a package, `/shop.Orders/Get` for some methods of one; nil: any.
  public var pathPrefix: String?
  /// Each of these has to be met as well. None by default.
  public var headers: [ProxyHeaderMatch] = []
  /// The targets that share the route's calls.
  public var destinations: [ProxyDestination]
  /// The `:authority` that servers get; nil: as `ProxyOptions.keepsAuthority` has it.
  public var authority: ProxyAuthority?
  /// The most time that a call may have here, also one whose client has set none; nil: what the client has set.
  public var maxTimeout: Duration?

  /// All calls, to this target; what is to be met is set after that.
  public init(to target: ProxyTarget) { destinations = [ProxyDestination(target)] }

  /// All calls, shared out among these by their weights.
  public init(to destinations: [ProxyDestination]) { self.destinations = destinations }
}

/// One of the targets that share a route's calls.
public struct ProxyDestination: Sendable {
  /// Where the calls go.
  public var target: ProxyTarget
  /// Its share: the weight in the sum of the route's weights. 0 gets nothing; at most 1,000,000.
  public var weight: Int

  /// A target and its share of a route's calls; 1 by default.
  public init(_ target: ProxyTarget, weight: Int = 1) {
    self.target = target
    self.weight = weight
  }
}

/// What a call's metadata has to have for a route.
public struct ProxyHeaderMatch: Hashable, Sendable {
  enum Rule: Hashable, Sendable {
    case exact([UInt8])
    case prefix([UInt8])
    case present
  }

  /// In lower case.
  let name: [UInt8]
  let rule: Rule

  /// One of the key's values is this one, byte for byte; of a `-bin` key its bytes.
  public static func exact(_ name: String, _ value: String) -> ProxyHeaderMatch {
    ProxyHeaderMatch(name, .exact(Array(value.utf8)))
  }

  /// One of the key's values begins with this.
  public static func prefix(_ name: String, _ value: String) -> ProxyHeaderMatch {
    ProxyHeaderMatch(name, .prefix(Array(value.utf8)))
  }

  /// The key is there.
  public static func present(_ name: String) -> ProxyHeaderMatch { ProxyHeaderMatch(name, .present) }

  private init(_ name: String, _ rule: Rule) {
    self.name = Array(name.lowercased().utf8)
    self.rule = rule
  }

  func accepts(_ value: UnsafeRawBufferPointer) -> Bool {
    switch rule {
    case .exact(let bytes): value.count == bytes.count && value.elementsEqual(bytes)
    case .prefix(let bytes): value.starts(with: bytes)
    case .present: true
    }
  }
}

/// Which `:authority` servers get of a call.
public enum ProxyAuthority: Hashable, Sendable {
  /// The client's, as it came.
  case client
  /// The target's own.
  case target
  /// This one.
  case name(String)
}
