import Synchronization
import Testing
import Volery
import VoleryLoadBalancing
import VoleryTypes
import VoleryXDS

/// What a cluster's limits do to the picks of the policy below.
@Suite("A cluster's limits") struct ClusterImplTests {
  /// Each pick wants to hear of its end.
  private struct Hearing: LoadBalancingPolicyFactory {
    let name = "hearing"
    let ends = Ends()

    final class Ends: Sendable {
      let all = Mutex<[Bool]>([])
    }

    struct Policy: LoadBalancingPolicy {
      let ends: Ends

      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        effects.publish(.ready, HearingPicker(subchannel: effects.subchannel(for: endpoints[0]), ends: ends))
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {}
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }

    struct HearingPicker: Picker {
      let subchannel: Subchannel
      let ends: Ends

      func pick(for call: PickRequest) -> PickResult {
        .attempt(Pick(subchannel) { [ends] end in ends.all.withLock { $0.append(end.wasSent) } })
      }
    }

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      Policy(ends: ends)
    }
  }

  private final class NoConnection: Sendable {}

  @Test("a call over the circuit breaker's limit: the policy below hears that its pick came to nothing") func dropped()
    throws
  {
    let hearing = Hearing()
    var options = ChannelOptions()
    options.useXDS(XDSResolverFactory())
    options.loadBalancingPolicies.register(hearing)
    let registry = options.loadBalancingPolicies
    let json = #"{"cluster": "a", "maxConcurrentRequests": 1, "childPolicy": [{"hearing": {}}]}"#
    var policy = try registry["xds_cluster_impl_experimental"]!.makePolicy(
      configuration: try JSONValue(parsing: json),
      context: PolicyContext(registry: registry, now: { .now }, random: { 0 }))
    var effects = PolicyEffects { Subchannel(id: 1, endpoint: $0, connection: NoConnection()) }
    _ = policy.update([Endpoint(.tcp("10.0.0.1", 1))], &effects)
    let pickers = effects.effects.compactMap { if case .publish(_, let picker) = $0 { picker } else { nil } }
    let picker = try #require(pickers.last)
    let call = PickRequest(path: "/a/b", metadata: Metadata())
    let first = picker.pick(for: call)
    #expect(first.subchannel?.id == 1)
    guard case .drop = picker.pick(for: call) else {
      Issue.record("the second call is not dropped")
      return
    }
    #expect(hearing.ends.all.withLock { $0 } == [false])
    first.discard()
    #expect(hearing.ends.all.withLock { $0 } == [false, false])
    #expect(picker.pick(for: call).subchannel?.id == 1)
  }
}
