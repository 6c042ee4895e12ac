import VoleryTypes

extension LoadBalancingRegistry {
  /// Those that send equal calls to one server.
  static let keyed = [
    BuiltInPolicyFactory(name: "ring_hash_experimental") { configuration, context in
      RingHashPolicy(try RingHashConfiguration(configuration, environment: context.environment), context: context)
    }
  ]

  /// Those that have other policies below them.
  static let trees = [
    BuiltInPolicyFactory(name: "priority_experimental") { configuration, context in
      PriorityPolicy(
        try PriorityConfiguration(configuration, name: "priority_experimental", context: context), context: context)
    },
    BuiltInPolicyFactory(name: "weighted_target_experimental") { configuration, context in
      WeightedTargetPolicy(
        try WeightedTargetConfiguration(configuration, name: "weighted_target_experimental", context: context),
        context: context)
    },
  ]
}
