import Synchronization
import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryLoadBalancing
import VoleryTesting

/// What connecting to thousands of endpoints asks of a channel: not every one of them anew for each that is ready.
@Suite("Thousands of endpoints", .serialized, .timeLimit(.minutes(3))) struct ManyEndpointsTests {
  /// Makes `round_robin`'s kind of policy, and counts the pickers and the servers in them.
  private struct CountingFactory: LoadBalancingPolicyFactory {
    let name = "counting"
    let counts = Counts()

    final class Counts: Sendable {
      let pickers = Atomic(0)
      let servers = Atomic(0)
      let largest = Atomic(0)
    }

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      SpreadingPolicy(context: context) { [counts] subchannels, seed in
        counts.pickers.add(1, ordering: .relaxed)
        counts.servers.add(subchannels.count, ordering: .relaxed)
        counts.largest.max(subchannels.count, ordering: .relaxed)
        return SinglePicker(subchannel: subchannels[Int(seed % UInt64(subchannels.count))])
      }
    }
  }

  /// Of a channel: how many of its subchannels have become ready.
  private final class ReadyCount: Observer {
    let count = Atomic(0)

    func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
      if case .subchannelChanged(_, .ready, _) = event { count.add(1, ordering: .relaxed) }
    }
  }

  @Test(
    "each that becomes ready makes no list of all: time stands still, and two pickers are made for 1,000 and for 4,000",
    arguments: [("", 1000), ("", 4000), ("outlier_detection", 1000), ("priority", 1000)])
  func pickers(parent: String, count: Int) async throws {
    let clock = TestClock()
    let network = InProcessNetwork(clock: clock, on: try Self.loops.get().next())
    let server = Server(services: [RawEcho()])
    defer { server.shutDown() }
    try network.add(server, as: "all")
    let resolver = ManualResolver(scheme: "many")
    let factory = CountingFactory()
    let ready = ReadyCount()
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(factory)
    options.observers = [ready]
    options.serviceConfig = try ServiceConfig(json: "{\"loadBalancingConfig\": [\(Self.configuration(parent))]}")
    let channel = try network.channel("many:///all", options: options)
    defer { channel.close() }
    channel.connect()
    resolver.publish(.resolved(Resolution(endpoints: Self.endpoints(count, below: parent))))
    try await eventually("all are ready", within: .seconds(80)) { ready.count.load(ordering: .relaxed) == count }
    // The first one is published at once: a call has not to wait.
    #expect(try await channel.unary(RawEcho.unary, [1]).message == [1])
    #expect(factory.counts.pickers.load(ordering: .relaxed) < 10)
    await clock.advance(by: .milliseconds(2) * count / 1000)
    try await eventually("all are in a picker") { factory.counts.largest.load(ordering: .relaxed) == count }
    #expect(factory.counts.pickers.load(ordering: .relaxed) < 10)
    #expect(factory.counts.servers.load(ordering: .relaxed) < 4 * count)
  }

  /// Other tests have deadlines, and would wait for it.
  private static let loops = Result { try EventLoopGroup(loops: 1) }

  private static func configuration(_ parent: String) -> String {
    switch parent {
    case "": "{\"counting\": {}}"
    case "priority":
      """
      {"priority_experimental": {"priorities": ["a"], "children": {"a": {"config": [{"weighted_target_experimental":
      {"targets": {"b": {"weight": 1, "childPolicy": [{"counting": {}}]}}}}]}}}}
      """
    default: "{\"\(parent)\": {\"childPolicy\": [{\"counting\": {}}]}}"
    }
  }

  private static func endpoints(_ count: Int, below parent: String) -> [Endpoint] {
    (0..<count).map { number in
      var endpoint = Endpoint(.inProcess("all"))
      // What makes servers of one address different ones.
      endpoint.attributes.serverName = "server-\(number)"
      if parent == "priority" { endpoint.attributes.childPath = ["a", "b"] }
      return endpoint
    }
  }
}
