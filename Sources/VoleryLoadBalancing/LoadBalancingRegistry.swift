public import VoleryTypes

/// Makes policies of one name.
public protocol LoadBalancingPolicyFactory: Sendable {
  /// The name as in a service config's `loadBalancingConfig`.
  var name: String { get }

  /// - Parameters:
  ///   - configuration: The policy's JSON object from the service config; `.null` where there is none.
  ///   - context: What a policy may need: the registry for its children, the clock, randomness.
  /// - Throws: `PolicyConfigurationError` when the configuration makes no sense: the whole service config is refused.
  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy
}

/// A policy's configuration that makes no sense.
public struct PolicyConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// What the channel gives a policy that it makes.
public struct PolicyContext: Sendable {
  public var registry: LoadBalancingRegistry
  /// Now, by the channel's clock; tests inject their own.
  public var now: @Sendable () -> ContinuousClock.Instant
  /// Random 64 bits; tests inject a seeded generator.
  public var random: @Sendable () -> UInt64

  public init(
    registry: LoadBalancingRegistry, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
    random: @escaping @Sendable () -> UInt64 = { .random(in: .min ... .max) }
  ) {
    self.registry = registry
    self.now = now
    self.random = random
  }
}

/// The policies that a channel knows, by name: a value, given to the channel in its options.
public struct LoadBalancingRegistry: Sendable {
  private var factories: [String: any LoadBalancingPolicyFactory] = [:]

  public init(_ factories: [any LoadBalancingPolicyFactory] = []) {
    for factory in factories { register(factory) }
  }

  /// A later factory of the same name replaces the earlier one.
  public mutating func register(_ factory: any LoadBalancingPolicyFactory) { factories[factory.name] = factory }

  public subscript(name: String) -> (any LoadBalancingPolicyFactory)? { factories[name] }

  public var names: [String] { factories.keys.sorted() }
}
