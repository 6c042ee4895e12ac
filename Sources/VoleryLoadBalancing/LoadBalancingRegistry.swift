import VoleryPlatform
public import VoleryTypes

/// Makes policies of one name.
public protocol LoadBalancingPolicyFactory: Sendable {
  /// The name as in a service config's `loadBalancingConfig`.
  var name: String { get }

  /// A policy of this configuration. Called for each channel and each new service config, also only to find out whether the
  /// configuration is right: it must do nothing but make the policy.
  ///
  /// - Parameters:
  ///   - configuration: The policy's JSON object from the service config; `.null` where there is none.
  ///   - context: What a policy may need: the registry for its children, the clock, randomness.
  /// - Throws: `PolicyConfigurationError` when the configuration makes no sense: the whole service config is refused.
  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy
}

/// A policy's configuration that makes no sense.
public struct PolicyConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which member is wrong and how; the channel's log and its errors quote it.
  public let description: String

  /// An error of a factory; begin the text with the policy's name.
  public init(_ description: String) { self.description = description }
}

/// What the channel gives a policy that it makes.
public struct PolicyContext: Sendable {
  /// The channel's policies, for those that have others below them (`makeChild`).
  public var registry: LoadBalancingRegistry
  /// Now, by the channel's clock; tests inject their own.
  public var now: @Sendable () -> ContinuousClock.Instant
  /// Random 64 bits; tests inject a seeded generator.
  public var random: @Sendable () -> UInt64
  /// The process's environment: the value of a variable, nil where there is none; tests inject their own.
  public var environment: @Sendable (String) -> String? = { environmentVariable($0) }

  /// What a policy's tests give it; a channel makes its own.
  ///
  /// - Parameters:
  ///   - registry: The policies that are known by name.
  ///   - now: The clock; the machine's by default.
  ///   - random: Random 64 bits; the system's by default.
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

  /// A registry of these factories, of which a later one replaces an earlier one of the same name. Empty by default;
  /// `builtIn` has those that channels know.
  public init(_ factories: [any LoadBalancingPolicyFactory] = []) {
    for factory in factories { register(factory) }
  }

  /// A later factory of the same name replaces the earlier one.
  public mutating func register(_ factory: any LoadBalancingPolicyFactory) { factories[factory.name] = factory }

  /// The factory with this name; nil when there is none.
  public subscript(name: String) -> (any LoadBalancingPolicyFactory)? { factories[name] }

  /// The names that have a factory, sorted.
  public var names: [String] { factories.keys.sorted() }

  /// For policies that wrap another one: makes what their `childPolicy` names, a list as a service config's
  /// `loadBalancingConfig` of which the first known one counts. Without a list, the channel's default policy.
  ///
  /// - Parameter owner: The wrapping policy's name, for errors.
  /// - Throws: `PolicyConfigurationError` when the list has a wrong form, or none of it is known.
  public func makeChild(
    _ childPolicy: JSONValue?, of owner: String, context: PolicyContext
  ) throws -> any LoadBalancingPolicy {
    var choices = [ServiceConfig.LoadBalancingChoice(name: LoadBalancingRegistry.defaultPolicyName)]
    if let childPolicy, childPolicy != .null {
      guard case .array(let elements) = childPolicy, !elements.isEmpty else {
        throw PolicyConfigurationError("\(owner): childPolicy must be a list of policies, each {name: configuration}")
      }
      choices = try elements.map { element in
        guard case .object(let members) = element, members.count == 1, let (name, configuration) = members.first else {
          throw PolicyConfigurationError(
            "\(owner): an element of childPolicy must have one member, the policy's name")
        }
        return ServiceConfig.LoadBalancingChoice(name: name, configuration: configuration)
      }
    }
    for choice in choices {
      guard let factory = self[choice.name] else { continue }
      do {
        return try factory.makePolicy(configuration: choice.configuration, context: context)
      } catch let error as PolicyConfigurationError {
        throw PolicyConfigurationError("\(owner): \(error)")
      }
    }
    let unknown = choices.map { "\"\($0.name)\"" }.joined(separator: ", ")
    throw PolicyConfigurationError(
      "\(owner): none of its child policies \(unknown) is known; known are: \(names.joined(separator: ", "))")
  }
}
