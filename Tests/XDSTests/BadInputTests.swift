import TestSupport
import Testing
import Volery
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// What a control plane can do wrong, by one that does it: the last good configuration holds, calls go on, and the reason names
/// the resource and its field.
@Suite("A control plane that is wrong", .serialized, .timeLimit(.minutes(5))) struct BadInputTests {
  private let control = ScriptedControl()

  private func channel(port: Int) throws -> Channel {
    var options = ChannelOptions()
    options.useXDS(
      XDSResolverFactory(bootstrap: XDSBootstrap(serverURI: "127.0.0.1:\(port)", isSecure: false, nodeID: "test")))
    return try Channel("xds:///orders", options: options)
  }

  /// Everything leads to the server.
  private func setAll(_ server: Backend) throws {
    try control.set(.listener, Wires.listener())
    try control.set(.routes, Wires.routes(to: "a"))
    try control.set(.cluster, Wires.cluster("a"))
    try control.set(.endpoints, Wires.endpoints("a", ports: server.port))
  }

  /// A channel with a control plane that leads it to the first of these servers.
  ///
  /// - Parameter prepare: What the control plane says besides, or does, from the beginning.
  private func led(
    to names: String..., prepare: ([Backend]) throws -> Void = { _ in },
    _ body: (Channel, [Backend]) async throws -> Void
  ) async throws {
    let servers = try names.map { try Backend($0) }
    defer { for backend in servers { backend.server.shutDown() } }
    try setAll(servers[0])
    try prepare(servers)
    let channel = try channel(port: try control.start())
    defer {
      channel.close()
      control.stop()
    }
    try await body(channel, servers)
  }

  private func refusal(_ words: String...) async throws {
    try await eventually("a refusal that has \(words)") {
      control.refusals.contains { refusal in words.allSatisfy { refusal.contains($0) } }
    }
  }

  private static func residentBytes() throws -> Int {
    (Int(try systemFile("/proc/self/statm").split(separator: " ")[1]) ?? 0) * 4096
  }

  @Test("one that is not there: calls fail with its name; once it is there they go") func absent() async throws {
    let server = try Backend("one")
    defer { server.server.shutDown() }
    try setAll(server)
    // Nobody listens at the port of a server that has gone.
    let port = try control.start()
    control.stop()
    let channel = try channel(port: port)
    defer { channel.close() }
    let error = await #expect(throws: StatusError.self) { try await Backend.ask(channel, calls: 1) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("the control plane 127.0.0.1:\(port)") == true, "\(String(describing: error))")
    try control.start(port: port)
    defer { control.stop() }
    let options = CallOptions(timeout: .seconds(60), waitForReady: true)
    let answer = try await channel.unary(Backend.who, [], options: options).message
    #expect(answer == Array("one".utf8))
  }

  @Test("one that says nothing: a call waits, and succeeds as soon as it speaks") func slow() async throws {
    try await led(to: "one", prepare: { _ in control.mute(true) }) { channel, _ in
      async let waiting = Backend.ask(channel, calls: 1)
      try await eventually("the client has asked") { control.streams > 0 }
      let short = CallOptions(timeout: .milliseconds(100))
      let error = await #expect(throws: StatusError.self) { try await channel.unary(Backend.who, [], options: short) }
      #expect(error?.code == .deadlineExceeded)
      control.mute(false)
      #expect(try await waiting == ["one": 1])
    }
  }

  @Test(
    "resources that are no messages, or of another type, are refused whatever they should be",
    arguments: XDSResourceType.allCases)
  func garbage(_ type: XDSResourceType) async throws {
    try await led(to: "one") { channel, servers in
      #expect(try await Backend.ask(channel, calls: 3) == ["one": 3])
      let good: Google_Protobuf_Any
      switch type {
      case .listener: good = try Google_Protobuf_Any(packing: Wires.listener())
      case .routes: good = try Google_Protobuf_Any(packing: Wires.routes(to: "a"))
      case .cluster: good = try Google_Protobuf_Any(packing: Wires.cluster("a"))
      case .endpoints: good = try Google_Protobuf_Any(packing: Wires.endpoints("a", ports: servers[0].port))
      }
      let cut = Google_Protobuf_Any(typeURL: good.typeURL, value: Array(good.value.dropLast()))
      let other = Google_Protobuf_Any(typeURL: "type.googleapis.com/a.B", value: [1, 2, 3])
      // Beside a good one: that counts, and is not taken for deleted.
      control.set(type, [good, cut, other])
      try await refusal("resources[1]: ", "resources[2]: ", "\"type.googleapis.com/a.B\"")
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
    }
  }

  @Test("an answer that is no message ends the stream, not the calls; the next stream counts") func brokenAnswer()
    async throws
  {
    try await led(to: "one", "two") { channel, servers in
      #expect(try await Backend.ask(channel, calls: 3) == ["one": 3])
      control.send([0xFF, 0xFF, 0xFF])
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
      try await eventually("there is another stream") { control.streams > 1 }
      try control.set(.endpoints, Wires.endpoints("a", ports: servers[1].port))
      try await eventually("the other server serves") { try await Backend.ask(channel, calls: 1) == ["two": 1] }
    }
  }

  @Test("of two resources with one name the first counts") func twice() async throws {
    try await led(
      to: "one", "two",
      prepare: { servers in
        let lists = servers.map { Wires.endpoints("a", ports: $0.port) }
        try control.set(.endpoints, lists[0], lists[1])
      }
    ) { channel, _ in
      let answers = try await Backend.ask(channel, calls: 20)
      #expect(answers == ["one": 20])
    }
  }

  @Test("routes to a cluster that nobody knows, and one whose endpoints nobody knows: the old routes hold meanwhile")
  func dangling() async throws {
    try await led(to: "one") { channel, _ in
      #expect(try await Backend.ask(channel, calls: 3) == ["one": 3])
      let accepted = control.accepted
      try control.set(.cluster, Wires.cluster("a"), Wires.cluster("empty"))
      try control.set(.routes, Wires.routes(to: "nobody", "empty"))
      try await eventually("the routes are accepted") { control.accepted >= accepted + 2 }
      #expect(try await Backend.ask(channel, calls: 50) == ["one": 50])
      try control.set(.routes, Wires.routes(to: "a"))
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
      #expect(control.refusals == [])
    }
  }

  @Test("routes without a virtual host for the channel fail its calls and say for which name") func noHost()
    async throws
  {
    try await led(to: "one", prepare: { _ in try control.set(.routes, Wires.routes(domain: "payments", to: "a")) }) {
      channel, _ in
      let error = await #expect(throws: StatusError.self) { try await Backend.ask(channel, calls: 1) }
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("no virtual host of the routes is for \"orders\"") == true, "\(error as Any)")
    }
  }

  @Test("endpoints that change a hundred times a second lose no call, and cost nothing that stays") func flapping()
    async throws
  {
    try await led(to: "one", "two", "three") { channel, servers in
      #expect(try await Backend.ask(channel, calls: 3) == ["one": 3])
      let before = try Self.residentBytes()
      async let flaps: Void = {
        for number in 0..<300 {
          let other = servers[number.isMultiple(of: 2) ? 1 : 2]
          try control.set(.endpoints, Wires.endpoints("a", ports: servers[0].port, other.port))
          try await Task.sleep(for: .milliseconds(10))
        }
        try control.set(.endpoints, Wires.endpoints("a", ports: servers[2].port))
      }()
      while try await Backend.ask(channel, calls: 10)["three"] != 10 {}
      try await flaps
      #expect(try await Backend.ask(channel, calls: 10) == ["three": 10])
      #expect(control.refusals == [])
      #expect(try Self.residentBytes() - before < 64 << 20, "the process has grown")
    }
  }

  private func list(_ count: Int, _ server: Backend) -> WireClusterLoadAssignment {
    // Those after the first are of a priority that is not needed.
    let others = (1..<count).map { number in Wires.endpoint(host: "127.9.\(number >> 8).\(number & 255)", 1) }
    let size = (others.count + 98) / 99
    let groups = stride(from: 0, to: others.count, by: size).map { start in
      Wires.locality("z\(start)", Array(others[start..<min(start + size, others.count)]), priority: 1)
    }
    return Wires.endpoints("a", [Wires.locality("here", [Wires.endpoint(server.port)])] + groups)
  }

  @Test("10,000 endpoints in 100 localities are taken; one more is refused, and the last good list holds") func many()
    async throws
  {
    try await led(to: "one", prepare: { try control.set(.endpoints, list(10_000, $0[0])) }) { channel, servers in
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
      #expect(control.refusals == [])
      try control.set(.endpoints, list(10_001, servers[0]))
      try await refusal("the endpoints \"a\": endpoints: over 10000 addresses")
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
    }
  }

  @Test("one that sends what was refused again, at once and for ever, is heard five times a second") func refusalLoop()
    async throws
  {
    try await led(to: "one") { channel, _ in
      #expect(try await Backend.ask(channel, calls: 3) == ["one": 3])
      control.sendRefusedAgain()
      let start = ContinuousClock.now
      var bad = Wires.cluster("a")
      bad.clusterDiscoveryType = .type(.static)
      try control.set(.cluster, bad)
      try await eventually("the loop goes round") { control.refusals.count > RefusalPace.burst + 3 }
      let allowed = RefusalPace.burst + 2 + Int(start.duration(to: .now) / RefusalPace.interval)
      #expect(control.refusals.count <= allowed)
      #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
    }
  }
}

@Suite("The pace of refusals") struct RefusalPaceTests {
  @Test("ten at once cost nothing, then one in 200 ms; what was not used comes back") func pace() {
    let start = ContinuousClock.now
    var pace = RefusalPace()
    for _ in 0..<10 { #expect(pace.refused(now: start) == .zero) }
    #expect(pace.refused(now: start) == .milliseconds(200))
    #expect(pace.refused(now: start.advanced(by: .milliseconds(200))) == .milliseconds(200))
    let later = start.advanced(by: .seconds(60))
    for _ in 0..<10 { #expect(pace.refused(now: later) == .zero) }
    #expect(pace.refused(now: later) > .zero)
  }
}
