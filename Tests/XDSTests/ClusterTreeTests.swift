import Testing
import Volery
import VoleryLoadBalancing
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// What clusters become as policies.
@Suite("The policies of a cluster") struct ClusterTreeTests {
  private static func cluster(_ name: String, _ change: (inout WireCluster) -> Void = { _ in }) throws
    -> ClusterResource
  {
    var wire = WireCluster()
    wire.name = name
    wire.clusterDiscoveryType = .type(.eds)
    wire.edsClusterConfig = WireCluster.EdsClusterConfig(
      edsConfig: WireConfigSource(configSourceSpecifier: .ads(WireAggregatedConfigSource())))
    change(&wire)
    guard case .cluster(let cluster) = try ReadResource(try Google_Protobuf_Any(packing: wire), .cluster).result.get()
    else {
      throw XDSResourceError("a cluster", "is none")
    }
    return cluster
  }

  /// - Parameter localities: Each a priority, a zone, a weight and its ports.
  private static func part(
    _ name: String, _ localities: [(priority: UInt32, zone: String, weight: UInt32, ports: [UInt32])],
    _ change: (inout WireCluster) -> Void = { _ in }
  ) throws -> XDSConfiguration.Part {
    let groups = localities.map { locality in
      WireLocalityLbEndpoints(
        locality: WireLocality(zone: locality.zone),
        lbEndpoints: locality.ports.map { port in
          let address = WireAddress(
            address: .socketAddress(WireSocketAddress(address: "10.0.0.1", portSpecifier: .portValue(port))))
          return WireLbEndpoint(hostIdentifier: .endpoint(WireEndpoint(address: address)))
        },
        loadBalancingWeight: Google_Protobuf_UInt32Value(value: locality.weight), priority: locality.priority)
    }
    let wire = WireClusterLoadAssignment(clusterName: name, endpoints: groups)
    let read = ReadResource(try Google_Protobuf_Any(packing: wire), .endpoints)
    guard case .endpoints(let endpoints) = try read.result.get() else {
      throw XDSResourceError("endpoints", "are none")
    }
    return XDSConfiguration.Part(name: name, cluster: try cluster(name, change), endpoints: endpoints)
  }

  private static func names(_ tree: ClusterTree) -> [String] {
    guard case .array(let names)? = tree.configuration["priorities"] else { return [] }
    return names.compactMap { if case .string(let name) = $0 { name } else { nil } }
  }

  @Test("an aggregate's clusters follow one another, each with its own limit, drops and outlier detection")
  func aggregate()
    throws
  {
    var kept: [String: PriorityNames] = [:]
    let first = try Self.part("a", [(0, "x", 1, [1]), (1, "y", 1, [2])]) { wire in
      wire.circuitBreakers = WireCircuitBreakers(thresholds: [
        WireCircuitBreakers.Thresholds(maxRequests: Google_Protobuf_UInt32Value(value: 7))
      ])
      wire.outlierDetection = WireOutlierDetection()
    }
    let tree = ClusterTree([first, try Self.part("b", [(0, "x", 1, [3])])], names: &kept)
    #expect(Self.names(tree) == ["a 1", "a 2", "b 1"])
    let children = tree.configuration["children"]
    let outliers = try #require(children?["a 1"]?["config"]?[0]?["outlier_detection"])
    let own = try #require(outliers["childPolicy"]?[0]?["xds_cluster_impl_experimental"])
    #expect(own["cluster"] == .string("a"))
    #expect(own["maxConcurrentRequests"] == .number("7"))
    #expect(own["childPolicy"]?[0]?["weighted_target_experimental"]?["targets"]?[":x:"] != nil, "\(own)")
    let other = try #require(children?["b 1"]?["config"]?[0]?["xds_cluster_impl_experimental"])
    #expect(other["maxConcurrentRequests"] == .number("1024"))
    #expect(tree.endpoints.map(\.attributes.childPath) == [["a 1", ":x:"], ["a 2", ":y:"], ["b 1", ":x:"]])
  }

  @Test("a locality that moves to another priority takes its name along, and with it its connections") func moves()
    throws
  {
    var names = PriorityNames()
    #expect(names.numbers(for: [["x"], ["y"]]) == [1, 2])
    #expect(names.numbers(for: [["y"], ["x"]]) == [2, 1])
    #expect(names.numbers(for: [["z"], ["y", "x"]]) == [3, 2])
    #expect(names.numbers(for: [["y"], ["x"]]) == [2, 4])
  }

  @Test("ring_hash sees all localities at once, each endpoint with its weight times its locality's") func ring() throws
  {
    var kept: [String: PriorityNames] = [:]
    let part = try Self.part("a", [(0, "x", 3, [1]), (0, "y", 5, [2])]) { $0.lbPolicy = .ringHash }
    let tree = ClusterTree([part], names: &kept)
    let own = tree.configuration["children"]?["a 1"]?["config"]?[0]?["xds_cluster_impl_experimental"]
    #expect(own?["childPolicy"]?[0]?["ring_hash_experimental"] != nil, "\(tree.configuration)")
    #expect(tree.endpoints.map(\.attributes.weight) == [3, 5])
    #expect(tree.endpoints.map(\.attributes.childPath) == [["a 1"], ["a 1"]])
  }

  @Test("a change of a limit or a weight keeps every connection; a policy that changes is followed without a gap")
  func changes() throws {
    var options = ChannelOptions()
    options.useXDS()
    let context = PolicyContext(registry: options.loadBalancingPolicies)
    var made: [Int] = []
    func effects() -> PolicyEffects {
      PolicyEffects { endpoint in
        made.append(made.count + 1)
        return Subchannel(id: made.count, endpoint: endpoint, connection: Nothing())
      }
    }
    var kept: [String: PriorityNames] = [:]
    func tree(_ weight: UInt32, limit: UInt32, _ policy: WireCluster.LbPolicy) throws -> ClusterTree {
      ClusterTree(
        [
          try Self.part("a", [(0, "x", weight, [1]), (0, "y", 1, [2])]) { wire in
            wire.lbPolicy = policy
            wire.outlierDetection = WireOutlierDetection()
            wire.circuitBreakers = WireCircuitBreakers(thresholds: [
              WireCircuitBreakers.Thresholds(maxRequests: Google_Protobuf_UInt32Value(value: limit))
            ])
          }
        ], names: &kept)
    }
    func policy(_ tree: ClusterTree) throws -> any LoadBalancingPolicy {
      try context.registry.makeChild(
        .array([.object(["priority_experimental": tree.configuration])]), of: "a test", context: context)
    }
    let first = try tree(1, limit: 10, .roundRobin)
    var child = ChildPolicy(try policy(first), name: "the cluster")
    var told = effects()
    child.update(first.endpoints, &told)
    #expect(made.count == 2)
    for id in made { child.subchannelChanged(id, to: .ready, error: nil, &told) }
    #expect(child.state == .ready)
    let second = try tree(9, limit: 20, .roundRobin)
    #expect(child.adopt(try policy(second)))
    told = effects()
    child.update(second.endpoints, &told)
    #expect(made.count == 2)
    #expect(child.state == .ready)
    let third = try tree(9, limit: 20, .leastRequest)
    #expect(child.adopt(try policy(third)))
    told = effects()
    child.update(third.endpoints, &told)
    #expect(made.count == 4)
    // The new policy has nothing to offer yet; the old one's connections serve.
    #expect(child.state == .ready)
    #expect(Set(child.subchannels.keys).isSuperset(of: [1, 2]))
  }
}

private final class Nothing: Sendable {}

extension JSONValue {
  fileprivate subscript(index: Int) -> JSONValue? {
    if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
  }
}
