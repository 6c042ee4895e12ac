import Synchronization
import Testing
import Volery
import VoleryLoadBalancing
import VoleryTypes
import VoleryXDS

/// The policy that sends sessions to their servers (gRFC A55), without a channel: what it does with its child's subchannels.
@Suite("Where a session's calls go") struct OverrideHostTests {
  private final class Connection: ConnectionRequests {
    let requests = Atomic(0)
    func connectionRequested() { requests.add(1, ordering: .relaxed) }
  }

  /// Carries out what the policy says.
  private final class Stage {
    private var policy: ChildPolicy
    private(set) var made: [Subchannel] = []
    private(set) var removed: [Int] = []
    private(set) var publications = 0

    init(_ child: String, states: String = "\"UNKNOWN\", \"HEALTHY\", \"DRAINING\"") throws {
      var options = ChannelOptions()
      options.useXDS(XDSResolverFactory())
      let registry = options.loadBalancingPolicies
      let json =
        "[{\"xds_override_host_experimental\": {\"overrideHostStatus\": [\(states)], \"childPolicy\": [{\"\(child)\": {}}]}}]"
      let context = PolicyContext(registry: registry, now: { .now }, random: { 7 })
      policy = ChildPolicy(
        try registry.makeChild(try JSONValue(parsing: json), of: "a test", context: context), name: "the policy")
    }

    /// Servers by their ports.
    func update(_ ports: [Int], draining: Set<Int> = []) {
      run { policy, effects in
        policy.update(
          ports.map { port in
            var endpoint = Endpoint(.tcp("10.0.0.1", port))
            if draining.contains(port) { endpoint.attributes.health = .draining }
            return endpoint
          }, &effects)
      }
    }

    /// Of a port's subchannel that was made last, or before.
    func change(_ port: Int, _ state: ConnectivityState, made index: Int = 0) throws {
      let id = try #require(ids(port).dropLast(index).last)
      run { policy, effects in
        policy.subchannelsChanged([SubchannelChange(id, to: state, error: StatusError(.unavailable, "no"))], &effects)
      }
    }

    func ids(_ port: Int) -> [Int] {
      made.filter { $0.endpoint.addresses == [.tcp("10.0.0.1", port)] }.map(\.id)
    }

    func requests(_ port: Int) -> Int {
      made.filter { ids(port).contains($0.id) }.compactMap { $0.connection as? Connection }
        .reduce(0) { $0 + $1.requests.load(ordering: .relaxed) }
    }

    private func run(_ body: (inout ChildPolicy, inout PolicyEffects) -> Void) {
      var new: [Subchannel] = []
      var effects = PolicyEffects { [count = made.count] endpoint in
        let subchannel = Subchannel(id: count + new.count + 1, endpoint: endpoint, connection: Connection())
        new.append(subchannel)
        return subchannel
      }
      body(&policy, &effects)
      made += new
      for effect in effects.effects { if case .remove(let id) = effect { removed.append(id) } }
      if policy.takeNews() { publications += 1 }
    }

    /// Where a call goes; nil: it waits, or fails.
    func pick(_ ports: [Int]? = nil) -> PickResult {
      var configuration = CallConfiguration()
      if let ports {
        configuration.attributes.session = SessionCall(hosts: ports.map { .tcp("10.0.0.1", $0) }, cluster: "a")
      }
      return policy.picker.pick(for: PickRequest(path: "/a/b", metadata: Metadata(), configuration: configuration))
    }

    func port(_ ports: [Int]? = nil) -> Int? {
      guard case .tcp(_, let port)? = pick(ports).subchannel?.endpoint.addresses.first else { return nil }
      return port
    }

    func spread() -> Set<Int?> { Set((0..<12).map { _ in port() }) }
  }

  @Test("to a server that is ready, or of several addresses to whichever is; waits while it connects; else elsewhere")
  func ready() throws {
    let stage = try Stage("round_robin")
    stage.update([1, 2, 3])
    for port in 1...3 { try stage.change(port, .connecting) }
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits") }
    try stage.change(1, .ready)
    try stage.change(3, .ready)
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits, though others are ready") }
    #expect(stage.port([2, 3]) == 3)
    #expect(stage.spread() == [1, 3])
    try stage.change(2, .transientFailure)
    #expect(Set((0..<8).map { _ in stage.port([2]) }) == [1, 3])
    try stage.change(2, .idle)
    try stage.change(2, .ready)
    #expect((0..<8).allSatisfy { _ in stage.port([2]) == 2 })
    #expect(Set((0..<8).map { _ in stage.port([4711]) }) == [1, 2, 3])
    let before = stage.publications
    stage.update([1, 2, 3])
    #expect(stage.publications == before, "nothing has changed")
  }

  @Test("a server that the child has not connected to is connected when a session wants it") func idle() throws {
    let stage = try Stage("ring_hash_experimental")
    stage.update([1, 2, 3])
    #expect(stage.requests(2) == 0)
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits") }
    #expect(stage.requests(2) == 1)
    try stage.change(2, .connecting)
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits") }
    #expect(stage.requests(2) == 1)
    try stage.change(2, .ready)
    #expect(stage.port([2]) == 2)
  }

  @Test("a draining server keeps its connection for its sessions, until it is gone") func drains() throws {
    let stage = try Stage("round_robin")
    stage.update([1, 2, 3])
    for port in 1...3 { try stage.change(port, .ready) }
    stage.update([1, 2, 3], draining: [2])
    #expect(stage.removed.isEmpty && stage.made.count == 3)
    #expect(stage.spread() == [1, 3] && stage.port([2]) == 2)
    try stage.change(2, .idle)
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits for the next connection") }
    #expect(stage.requests(2) == 1)
    try stage.change(2, .ready)
    #expect(stage.port([2]) == 2)
    stage.update([1, 3])
    #expect(stage.removed == stage.ids(2))
    #expect([1, 3].contains(stage.port([2])))
  }

  @Test("one that is well again: the connection that was kept serves until the child has its own") func recovers()
    throws
  {
    let stage = try Stage("round_robin")
    stage.update([1, 2])
    for port in 1...2 { try stage.change(port, .ready) }
    stage.update([1, 2], draining: [2])
    stage.update([1, 2])
    #expect(stage.ids(2).count == 2 && stage.removed.isEmpty)
    #expect(stage.port([2]) == 2 && stage.spread() == [1])
    try stage.change(2, .ready)
    #expect(stage.removed == [stage.ids(2)[0]])
    #expect(stage.port([2]) == 2 && stage.spread() == [1, 2])
  }

  @Test(
    "one that drained before this client came has a subchannel that connects when a session wants it; others have none")
  func comesLate() throws {
    let stage = try Stage("round_robin")
    stage.update([1, 2], draining: [2])
    #expect(stage.made.count == 2)
    try stage.change(1, .ready)
    #expect(stage.requests(2) == 0 && stage.spread() == [1])
    guard case .queue = stage.pick([2]) else { return #expect(Bool(false), "it waits") }
    #expect(stage.requests(2) == 1)
    stage.update([1])
    #expect(stage.removed == stage.ids(2))
  }

  @Test("a cluster whose draining servers keep no sessions gives them up at once") func withoutDraining() throws {
    let stage = try Stage("round_robin", states: "\"HEALTHY\", \"UNKNOWN\"")
    stage.update([1, 2])
    for port in 1...2 { try stage.change(port, .ready) }
    stage.update([1, 2], draining: [2])
    #expect(stage.removed == stage.ids(2) && stage.made.count == 2)
    #expect(stage.port([2]) == 1)
    let none = try Stage("round_robin", states: "")
    none.update([1, 2])
    for port in 1...2 { try none.change(port, .ready) }
    #expect(Set((0..<8).map { _ in none.port([2]) }) == [1, 2], "no state keeps a session")
  }
}
