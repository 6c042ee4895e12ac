import VoleryTypes

/// A policy of this module by its name.
struct BuiltInPolicyFactory: LoadBalancingPolicyFactory {
  let name: String
  let make: @Sendable (JSONValue, PolicyContext) throws -> any LoadBalancingPolicy

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    try make(configuration, context)
  }
}

extension LoadBalancingRegistry {
  /// What a channel uses where neither its options nor a service config name a policy.
  public static let defaultPolicyName = "rr_least_request"

  /// `rr_least_request` (the default), `round_robin`, `least_request`, `random`, `pick_first`, and `outlier_detection`, which
  /// wraps another one.
  public static let builtIn = LoadBalancingRegistry([
    BuiltInPolicyFactory(name: "rr_least_request") { _, context in
      SpreadingPolicy(context: context) { RoundRobinLeastRequestPicker($0, seed: $1) }
    },
    BuiltInPolicyFactory(name: "round_robin") { _, context in
      SpreadingPolicy(context: context) { RoundRobinPicker($0, seed: $1) }
    },
    BuiltInPolicyFactory(name: "random") { _, context in
      SpreadingPolicy(context: context) { RandomPicker($0, seed: $1) }
    },
    leastRequest("least_request"),
    leastRequest("least_request_experimental"),
    outlierDetection("outlier_detection"),
    outlierDetection("outlier_detection_experimental"),
    BuiltInPolicyFactory(name: "pick_first") { configuration, context in
      PickFirstPolicy(shuffles: configuration["shuffleAddressList"] == .bool(true), context: context)
    },
  ])

  private static func outlierDetection(_ name: String) -> BuiltInPolicyFactory {
    BuiltInPolicyFactory(name: name) { configuration, context in
      let read: OutlierDetectionConfiguration
      do throws(ServiceConfigError) {
        read = try OutlierDetectionConfiguration(ConfigReader(configuration, at: name))
      } catch {
        throw PolicyConfigurationError("\(error)")
      }
      let child = try context.registry.makeChild(configuration["childPolicy"], of: name, context: context)
      return OutlierDetectionPolicy(child: child, configuration: read, context: context)
    }
  }

  private static func leastRequest(_ name: String) -> BuiltInPolicyFactory {
    BuiltInPolicyFactory(name: name) { configuration, context in
      var choiceCount = 2
      if case .number(let text)? = configuration["choiceCount"] {
        guard let count = Int(text), count >= 2 else {
          throw PolicyConfigurationError("\(name): choiceCount must be a number of at least 2, not \(text)")
        }
        choiceCount = min(count, 10)
      }
      return SpreadingPolicy(context: context) { LeastRequestPicker($0, choiceCount: choiceCount, seed: $1) }
    }
  }
}
