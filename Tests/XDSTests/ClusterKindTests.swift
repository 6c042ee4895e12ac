import TestSupport
import Testing
import Volery
import VoleryXDS

/// Clusters that are looked up, that stand for others, and that limit their calls, by a control plane of another implementation.
@Suite("Kinds of clusters", .serialized, .timeLimit(.minutes(5))) struct ClusterKindTests {
  private let control: ControlPlane

  init() throws {
    control = try ControlPlane()
    try control.set("listener", Resources.listener("orders", routes: "r"))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
  }

  private func channel() async throws -> Channel {
    var options = ChannelOptions()
    let bootstrap = try XDSBootstrap(json: ControlPlane.bootstrap(port: try await control.start()))
    options.useXDS(XDSResolverFactory(bootstrap: bootstrap))
    return try Channel("xds:///orders", options: options)
  }

  @Test("a LOGICAL_DNS cluster is looked up") func host() async throws {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    try control.set("cluster", Resources.host("a", "localhost", backend.port))
    let channel = try await channel()
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
  }

  @Test("an aggregate uses its clusters in their order, those that are looked up among them") func aggregate()
    async throws
  {
    let first = try Backend("first")
    let last = try Backend("last")
    defer {
      first.server.shutDown()
      last.server.shutDown()
    }
    try control.set(
      "cluster", Resources.aggregate("a", ["b", "c"]), Resources.cluster("b"),
      Resources.host("c", "localhost", last.port))
    try control.set("endpoints", Resources.endpoints("b", [(0, 1, [first.port])]))
    let channel = try await channel()
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 20) == ["first": 20])
    first.server.shutDown()
    try await eventually("the second cluster serves") { (try? await Backend.ask(channel, calls: 1)) == ["last": 1] }
    // The endpoints of the first one are gone altogether.
    try control.set("endpoints", Resources.endpoints("b", []))
    #expect(try await Backend.ask(channel, calls: 20) == ["last": 20])
    let again = try Backend("again")
    defer { again.server.shutDown() }
    try control.set("endpoints", Resources.endpoints("b", [(0, 1, [again.port])]))
    try await eventually("the first cluster serves again") { try await Backend.ask(channel, calls: 1) == ["again": 1] }
  }

  @Test("a cluster that nobody finds fails calls with its name") func missing() async throws {
    try control.set("cluster", Resources.host("a", "no-such-host.invalid", 1))
    let channel = try await channel()
    defer { channel.close() }
    let error = await #expect(throws: StatusError.self) { try await Backend.ask(channel, calls: 1) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("no-such-host.invalid") == true, "\(String(describing: error))")
  }

  @Test("more calls than the circuit breaker allows end with UNAVAILABLE, and none when it has room again")
  func breaker()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    try control.set(
      "cluster", Resources.cluster("a", extra: "\"circuit_breakers\": {\"thresholds\": [{\"max_requests\": 2}]}"))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [backend.port])]))
    let channel = try await channel()
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
    let held = (0..<2).map { _ in
      channel.bidirectional(Backend.hold, options: CallOptions(timeout: .seconds(60)))
    }
    for call in held {
      try await call.send([1])
      var answers = call.makeAsyncIterator()
      #expect(try await answers.next() == [1])
    }
    let error = await #expect(throws: StatusError.self) { try await Backend.ask(channel, calls: 1) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("circuit breaker") == true, "\(String(describing: error))")
    for call in held { call.cancel() }
    for call in held { _ = await call.status }
    try await eventually("there is room again") { (try? await Backend.ask(channel, calls: 1)) != nil }
  }

  @Test("as many calls are dropped as the endpoints' resource says") func drops() async throws {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    try control.set("cluster", Resources.cluster("a"))
    let policy = "{\"drop_overloads\": [{\"category\": \"c\", \"drop_percentage\": {\"numerator\": 50}}]}"
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [backend.port])], policy: policy))
    let channel = try await channel()
    defer { channel.close() }
    var dropped = 0
    for _ in 0..<400 {
      do { _ = try await Backend.ask(channel, calls: 1) } catch let error as StatusError {
        #expect(error.message.contains("dropped"), "\(error)")
        dropped += 1
      }
    }
    // Five standard deviations of 400 draws are 50.
    #expect(abs(dropped - 200) < 51, "\(dropped)")
  }
}
