import VoleryTypes

/// A policy of this module by its name.
struct BuiltInPolicyFactory: LoadBalancingPolicyFactory {
  let name: String
  /// May throw `ServiceConfigError`.
  let make: @Sendable (ConfigReader, PolicyContext) throws -> any LoadBalancingPolicy

  func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
    switch configuration {
    case .object, .null: break
    default: throw PolicyConfigurationError("\(name): its configuration is not an object")
    }
    do {
      return try make(ConfigReader(configuration, at: name), context)
    } catch let error as ServiceConfigError {
      throw PolicyConfigurationError("\(error)")
    }
  }
}

extension LoadBalancingRegistry {
  /// What a channel uses where neither its options nor a service config name a policy.
  public static let defaultPolicyName = "rr_least_request"

  /// `rr_least_request` (the default), `round_robin`, `least_request`, `random`, `weighted_round_robin`, `peak_ewma`,
  /// `pick_first` and `ring_hash_experimental`; and those with others below them: `outlier_detection`, `slow_start`, `sticky_session`, `zone_aware`,
  /// `random_subsetting_experimental`, `deterministic_subsetting`, `priority_experimental`, `weighted_target_experimental`.
  public static let builtIn = LoadBalancingRegistry(
    [
      BuiltInPolicyFactory(name: "rr_least_request") { _, context in
        SpreadingPolicy(
          context: context, findsSlow: true,
          makeWeightedPicker: { WeightedRoundRobinLeastRequestPicker($0, seed: $1) },
          makePicker: { RoundRobinLeastRequestPicker($0, seed: $1) })
      },
      BuiltInPolicyFactory(name: "round_robin") { _, context in
        SpreadingPolicy(
          context: context, makeWeightedPicker: { WeightedRoundRobinPicker($0, seed: $1) },
          makePicker: { RoundRobinPicker($0, seed: $1) })
      },
      BuiltInPolicyFactory(name: "random") { _, context in
        SpreadingPolicy(
          context: context, makeWeightedPicker: { WeightedRandomPicker($0, seed: $1) },
          makePicker: { RandomPicker($0, seed: $1) })
      },
      BuiltInPolicyFactory(name: "weighted_round_robin") { configuration, context in
        WeightedRoundRobinPolicy(try WeightedRoundRobinConfiguration(configuration), context: context)
      },
      leastRequest("least_request"),
      outlierDetection("outlier_detection"),
      outlierDetection("outlier_detection_experimental"),
      BuiltInPolicyFactory(name: "pick_first") { configuration, context in
        let shuffles = try configuration.optional("shuffleAddressList", ConfigReader.bool) ?? false
        return PickFirstPolicy(shuffles: shuffles, context: context)
      },
    ] + keyed + trees)

  private static func outlierDetection(_ name: String) -> BuiltInPolicyFactory {
    BuiltInPolicyFactory(name: name) { configuration, context in
      let read = try OutlierDetectionConfiguration(configuration)
      let child = try context.registry.makeChild(configuration.value["childPolicy"], of: name, context: context)
      return OutlierDetectionPolicy(child: child, configuration: read, context: context)
    }
  }

  private static func leastRequest(_ name: String) -> BuiltInPolicyFactory {
    BuiltInPolicyFactory(name: name) { configuration, context in
      let count = try configuration.choiceCount()
      return SpreadingPolicy(
        context: context, makeWeightedPicker: { WeightedLeastRequestPicker($0, choiceCount: count, seed: $1) },
        makePicker: { LeastRequestPicker($0, choiceCount: count, seed: $1) })
    }
  }
}
