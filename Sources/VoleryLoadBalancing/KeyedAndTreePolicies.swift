import VoleryTypes

extension LoadBalancingRegistry {
  /// Those that send equal calls to one server, or go by more than calls outstanding.
  static let keyed = [
    BuiltInPolicyFactory(name: "ring_hash_experimental") { configuration, context in
      RingHashPolicy(try RingHashConfiguration(configuration, environment: context.environment), context: context)
    },
    BuiltInPolicyFactory(name: "least_request_experimental") { configuration, context in
      let count = try configuration.choiceCount()
      return SpreadingPolicy(context: context) { SampledLeastRequestPicker($0, choiceCount: count, seed: $1) }
    },
    BuiltInPolicyFactory(name: "peak_ewma") { configuration, context in
      var settings = PeakEWMARecord.Settings()
      settings.decay = try configuration.time("decay") ?? settings.decay
      settings.failurePenalty = try configuration.time("failurePenalty") ?? settings.failurePenalty
      guard settings.decay >= .milliseconds(1) else { throw configuration.error("decay", "must be at least 1 ms") }
      let records = PeakEWMARecords(settings, context: context)
      return SpreadingPolicy(context: context) { records.makePicker($0, $1) }
    },
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
    BuiltInPolicyFactory(name: "random_subsetting_experimental") { configuration, context in
      let subset = Subset(size: try configuration.subsetSize(), client: .random(salt: context.random()))
      let child = try configuration.child(of: "random_subsetting_experimental", context)
      return SubsettingPolicy(child: child, subset: subset)
    },
    BuiltInPolicyFactory(name: "deterministic_subsetting") { configuration, context in
      let index = try configuration.either("clientIndex", "client_index", ConfigReader.count)
      let number = index ?? Subset.clientNumber(context.environment)
      let client = number.map(Subset.Client.numbered) ?? .random(salt: context.random())
      let subset = Subset(size: try configuration.subsetSize(), client: client)
      return SubsettingPolicy(child: try configuration.child(of: "deterministic_subsetting", context), subset: subset)
    },
    BuiltInPolicyFactory(name: "zone_aware") { configuration, context in
      let zone = try configuration.optional("zone", ConfigReader.string) ?? context.environment("VOLERY_ZONE")
      let tolerance = try configuration.optional("tolerance", ConfigReader.number) ?? ZoneSplit.defaultTolerance
      guard (1...100).contains(tolerance) else { throw configuration.error("tolerance", "must be from 1 to 100") }
      let clientShare = try configuration.optional("clientShare", ConfigReader.number)
      guard (clientShare ?? 1) > 0, (clientShare ?? 1) <= 1 else {
        throw configuration.error("clientShare", "must be above 0 and at most 1")
      }
      let child = try ChildConfiguration(configuration.childPolicies, of: "zone_aware", context: context)
      return ZoneAwarePolicy(
        .init(
          zone: zone.flatMap { $0.isEmpty ? nil : $0 }, tolerance: tolerance, clientShare: clientShare, child: child),
        context: context)
    },
    BuiltInPolicyFactory(name: "sticky_session") { configuration, context in
      let name = try configuration.optional("cookie", ConfigReader.string) ?? "session"
      guard let cookie = SessionCookie(name: name) else {
        throw configuration.error("cookie", "is not the name of a cookie")
      }
      return StickySessionPolicy(child: try configuration.child(of: "sticky_session", context), cookie: cookie)
    },
    BuiltInPolicyFactory(name: "slow_start") { configuration, context in
      var settings = SlowStart()
      settings.window = try configuration.time("window") ?? settings.window
      settings.aggression = try configuration.optional("aggression", ConfigReader.number) ?? settings.aggression
      guard settings.aggression > 0 else { throw configuration.error("aggression", "must be above 0") }
      if let least = try configuration.optional("minWeightPercent", ConfigReader.number) {
        guard (0...100).contains(least) else { throw configuration.error("minWeightPercent", "must be from 0 to 100") }
        settings.leastPart = least / 100
      }
      return SlowStartPolicy(
        child: try configuration.child(of: "slow_start", context), settings: settings, context: context)
    },
  ]
}

extension ConfigReader {
  var childPolicies: JSONValue? { value["childPolicy"] ?? value["child_policy"] }

  fileprivate func child(of owner: String, _ context: PolicyContext) throws -> any LoadBalancingPolicy {
    try context.registry.makeChild(childPolicies, of: owner, context: context)
  }

  /// gRFC A48: 2 where nothing is said; more than 10 count as 10.
  func choiceCount() throws(ServiceConfigError) -> Int {
    let count = try optional("choiceCount", ConfigReader.count) ?? 2
    guard count >= 2 else { throw error("choiceCount", "must be at least 2") }
    return min(count, 10)
  }

  /// An hour at most: what is longer is as good as for ever here.
  fileprivate func time(_ name: String) throws(ServiceConfigError) -> Duration? {
    try optional(name, ConfigReader.duration).map { min($0, .seconds(3600)) }
  }

  /// gRFC A68: 20, where nothing is said.
  fileprivate func subsetSize() throws(ServiceConfigError) -> Int {
    let size = try either("subsetSize", "subset_size", ConfigReader.count) ?? 20
    guard size > 0 else { throw error("subsetSize", "must be above 0") }
    return size
  }
}
