import Testing
import VoleryLoadBalancing
import VoleryTypes

/// gRFC A21: a configuration with a known member of a wrong type or value refuses the whole service config.
@Suite("Configurations of policies") struct PolicyConfigurationTests {
  private func make(_ name: String, _ json: String) throws {
    let factory = try #require(LoadBalancingRegistry.builtIn[name])
    let context = PolicyContext(registry: .builtIn)
    _ = try factory.makePolicy(configuration: try JSONValue(parsing: json), context: context)
  }

  private func refuse(_ name: String, _ json: String, naming member: String) {
    let error = #expect(throws: PolicyConfigurationError.self, "\(name) \(json)") { try make(name, json) }
    #expect(error?.description.contains(member) ?? true, "\(error!)")
    #expect(error?.description.contains("outlier_detection") == true || error?.description.contains(name) == true)
  }

  @Test("each is an object", arguments: LoadBalancingRegistry.builtIn.names) func objects(_ name: String) throws {
    for json in ["7", "\"x\"", "[]", "[{}]", "true"] { refuse(name, json, naming: "not an object") }
    for json in ["{}", "null", #"{"unknown": 7}"#] { try make(name, json) }
  }

  @Test(
    "least_request's choiceCount is a whole number from 2 on",
    arguments: ["least_request", "least_request_experimental"])
  func choiceCount(_ name: String) throws {
    for value in ["\"nonsense\"", "1", "0", "-1", "1.5", "4294967296", "1e300", "true", "[]", "{}", "\"\""] {
      refuse(name, #"{"choiceCount": \#(value)}"#, naming: "choiceCount")
    }
    for value in ["2", "10", "4294967295", "\"3\"", "null"] { try make(name, #"{"choiceCount": \#(value)}"#) }
  }

  @Test("pick_first's shuffleAddressList is a truth value") func shuffle() throws {
    for value in ["\"true\"", "1", "[]", "{}"] {
      refuse("pick_first", #"{"shuffleAddressList": \#(value)}"#, naming: "shuffleAddressList")
    }
    for value in ["true", "false", "null"] { try make("pick_first", #"{"shuffleAddressList": \#(value)}"#) }
  }

  private static let outlierCounts =
    [
      "stdevFactor", "enforcementPercentage", "minimumHosts", "requestVolume",
    ].map { ("successRateEjection", $0) }
    + [
      "threshold", "enforcementPercentage", "minimumHosts", "requestVolume",
    ].map { ("failurePercentageEjection", $0) }

  @Test("outlier_detection's members are what gRFC A50 says") func outlierDetection() throws {
    for name in ["interval", "baseEjectionTime", "maxEjectionTime"] {
      for value in ["1", "\"1\"", "\"-1s\"", "\"1.+5s\"", "\"315576000001s\"", "true", "[]"] {
        refuse("outlier_detection", #"{"\#(name)": \#(value)}"#, naming: name)
      }
      try make("outlier_detection", #"{"\#(name)": "315576000000s"}"#)
    }
    for value in ["101", "-1", "1.5", "\"x\"", "true"] {
      refuse("outlier_detection", #"{"maxEjectionPercent": \#(value)}"#, naming: "maxEjectionPercent")
    }
    for (object, name) in Self.outlierCounts {
      for value in ["-1", "0.5", "4294967296", "1e300", "\"x\"", "true", "{}"] {
        refuse("outlier_detection", #"{"\#(object)": {"\#(name)": \#(value)}}"#, naming: name)
      }
      for value in ["7", "\"x\"", "[]"] { refuse("outlier_detection", #"{"\#(object)": \#(value)}"#, naming: object) }
      let isPercentage = name == "threshold" || name == "enforcementPercentage"
      try make("outlier_detection", #"{"\#(object)": {"\#(name)": \#(isPercentage ? 100 : 4_294_967_295)}}"#)
    }
  }

  @Test("a wrong configuration of a child is one of its parent") func children() throws {
    let child = #"{"childPolicy": [{"unknown": {}}, {"least_request": {"choiceCount": "nonsense"}}]}"#
    refuse("outlier_detection", child, naming: "choiceCount")
    refuse("outlier_detection", #"{"childPolicy": [{"outlier_detection": \#(child)}]}"#, naming: "choiceCount")
    for value in ["7", "{}", "[]", "[7]", "[{}]", #"[{"unknown": {}}]"#] {
      refuse("outlier_detection", #"{"childPolicy": \#(value)}"#, naming: "child")
    }
    try make("outlier_detection", #"{"childPolicy": [{"unknown": 7}, {"round_robin": {}}]}"#)
  }

  @Test(
    "what the policies with keys, priorities, weights, zones and subsets refuse",
    arguments: [
      ("ring_hash_experimental", #"{"minRingSize": 0}"#, "minRingSize"),
      ("ring_hash_experimental", #"{"max_ring_size": 8388609}"#, "maxRingSize"),
      ("ring_hash_experimental", #"{"minRingSize": 20, "maxRingSize": 10}"#, "minRingSize"),
      ("ring_hash_experimental", #"{"requestHashHeader": "x-key-bin"}"#, "requestHashHeader"),
      ("ring_hash_experimental", #"{"requestHashHeader": "x key"}"#, "requestHashHeader"),
      ("ring_hash_experimental", #"{"request_hash_header": 7}"#, "request_hash_header"),
      ("priority_experimental", #"{"priorities": ["a"]}"#, "priorities[0]"),
      ("priority_experimental", #"{"children": {"a": {"config": []}}}"#, "a"),
      ("priority_experimental", #"{"children": {"a": {"config": [{"no_such": {}}]}}}"#, "no_such"),
      ("priority_experimental", #"{"children": {"a": {}}, "priorities": ["a", "a"]}"#, "priorities[1]"),
      (
        "priority_experimental", #"{"children": {"a": {"ignoreReresolutionRequests": 1}}}"#,
        "ignoreReresolutionRequests"
      ),
      ("weighted_target_experimental", #"{"targets": {"a": {}}}"#, "weight"),
      ("weighted_target_experimental", #"{"targets": {"a": {"weight": -1}}}"#, "weight"),
      ("weighted_target_experimental", #"{"targets": {"a": {"weight": 4294967295}, "b": {"weight": 1}}}"#, "sum"),
      ("random_subsetting_experimental", #"{"subset_size": 0}"#, "subsetSize"),
      ("random_subsetting_experimental", #"{"childPolicy": [{"no_such": {}}]}"#, "no_such"),
      ("deterministic_subsetting", #"{"clientIndex": -1}"#, "clientIndex"),
      ("zone_aware", #"{"zone": 7}"#, "zone"), ("zone_aware", #"{"tolerance": 0.5}"#, "tolerance"),
      ("zone_aware", #"{"clientShare": 0}"#, "clientShare"),
      ("peak_ewma", #"{"decay": "0s"}"#, "decay"), ("peak_ewma", #"{"failurePenalty": 5}"#, "failurePenalty"),
      ("slow_start", #"{"window": -1}"#, "window"), ("slow_start", #"{"aggression": 0}"#, "aggression"),
      ("slow_start", #"{"minWeightPercent": 101}"#, "minWeightPercent"),
    ])
  func refused(_ name: String, _ json: String, _ member: String) { refuse(name, json, naming: member) }
}
