import TestSupport
import Testing
import Volery

/// Policies with keys, priorities and weights, over real sockets.
@Suite("Keys, priorities and targets on connections", .timeLimit(.minutes(2))) struct PolicyFamilyTests {
  private struct Servers {
    let servers: [Server]
    let addresses: [SocketAddress]

    init(_ count: Int) throws {
      servers = (0..<count).map { _ in Server(services: [RawEcho()]) }
      addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
    }

    func shutDown() { for server in servers { server.shutDown() } }

    func endpoints(_ paths: [String]) -> [Endpoint] {
      zip(addresses, paths).map { address, path in
        var endpoint = Endpoint(address)
        endpoint.attributes.childPath = path.split(separator: "/").map(String.init)
        return endpoint
      }
    }
  }

  private static let limit = CallOptions(timeout: .seconds(20))

  private func channel(_ resolver: ManualResolver, _ config: String? = nil) throws -> Channel {
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    if let config { options.serviceConfig = try ServiceConfig(json: config) }
    return try Channel("\(resolver.scheme):///family", options: options)
  }

  private func call(_ channel: Channel, key: String? = nil) async throws -> SocketAddress? {
    var options = Self.limit
    if let key { options.metadata = ["x-key": key] }
    return try await channel.unary(RawEcho.unary, [1], options: options).peer?.address
  }

  @Test("ring_hash: keys stay with their servers, and only those of a server that is gone move") func ringHash()
    async throws
  {
    let group = try Servers(4)
    defer { group.shutDown() }
    let resolver = ManualResolver(scheme: "ring")
    resolver.publish(.resolved(Resolution(endpoints: group.addresses.map { Endpoint($0) })))
    let channel = try channel(
      resolver, #"{"loadBalancingConfig": [{"ring_hash_experimental": {"requestHashHeader": "x-key"}}]}"#)
    var owners: [String: SocketAddress] = [:]
    for number in 0..<40 { owners["\(number)"] = try await call(channel, key: "\(number)") }
    #expect(Set(owners.values).count == 4)
    for (key, owner) in owners { #expect(try await call(channel, key: key) == owner) }
    resolver.publish(.resolved(Resolution(endpoints: group.addresses.dropFirst().map { Endpoint($0) })))
    let lost = owners.first { $0.value == group.addresses[0] }!.key
    try await eventually("the server is given up") { try await call(channel, key: lost) != group.addresses[0] }
    for (key, owner) in owners where owner != group.addresses[0] { #expect(try await call(channel, key: key) == owner) }
    // Without a key any server will do.
    try await eventually("all are used") {
      var used: Set<SocketAddress> = []
      for _ in 0..<30 { if let address = try await call(channel) { used.insert(address) } }
      return used.count == 3
    }
  }

  private static let calm = CallOptions(timeout: .seconds(20), waitForReady: true)

  @Test("priority and weighted_target: new weights hold, and the next priority serves when the first is gone")
  func priorities() async throws {
    let group = try Servers(3)
    defer { group.shutDown() }
    let resolver = ManualResolver(scheme: "priorities")
    func publish(x: Int, y: Int) {
      let leaf = #"[{"round_robin": {}}]"#
      let targets =
        #"{"x": {"weight": \#(x), "childPolicy": \#(leaf)}, "y": {"weight": \#(y), "childPolicy": \#(leaf)}}"#
      let near = #"{"config": [{"weighted_target_experimental": {"targets": \#(targets)}}]}"#
      let far = #"{"config": \#(leaf), "ignoreReresolutionRequests": true}"#
      let children = #"{"near": \#(near), "far": \#(far)}"#
      let json = #"{"priority_experimental": {"children": \#(children), "priorities": ["near", "far"]}}"#
      resolver.publish(
        .resolved(
          Resolution(
            endpoints: group.endpoints(["near/x", "near/y", "far"]),
            serviceConfigJSON: #"{"loadBalancingConfig": [\#(json)]}"#)))
    }
    publish(x: 1, y: 0)
    let channel = try channel(resolver)
    for _ in 0..<5 { #expect(try await call(channel) == group.addresses[0]) }
    publish(x: 0, y: 1)
    try await eventually("the new weights hold") { try await call(channel) == group.addresses[1] }
    group.servers[1].shutDown()
    try await eventually("the next priority serves") {
      do {
        return try await channel.unary(RawEcho.unary, [1], options: Self.calm).peer?.address == group.addresses[2]
      } catch let error as StatusError where error.code == .unavailable {
        return false  // It was under way when its server ended.
      }
    }
  }

  @Test(
    "the others by their configurations: each finds as many servers as it should",
    arguments: [
      ("random_subsetting_experimental", #"{"subsetSize": 2}"#, 2),
      ("deterministic_subsetting", #"{"subsetSize": 2, "clientIndex": 1}"#, 2),
      ("zone_aware", #"{"zone": "b"}"#, 2), ("least_request_experimental", "{}", 4), ("peak_ewma", "{}", 4),
      ("slow_start", #"{"childPolicy": [{"round_robin": {}}]}"#, 4),
    ])
  func others(_ name: String, _ json: String, _ expected: Int) async throws {
    let group = try Servers(4)
    defer { group.shutDown() }
    let resolver = ManualResolver(scheme: "others")
    let endpoints = zip(group.addresses, ["a", "a", "b", "b"]).map { address, zone in
      var endpoint = Endpoint(address)
      endpoint.attributes.zone = zone
      return endpoint
    }
    resolver.publish(.resolved(Resolution(endpoints: endpoints)))
    let channel = try channel(resolver, #"{"loadBalancingConfig": [{"\#(name)": \#(json)}]}"#)
    try await eventually("\(expected) servers are used, and no other one any more") {
      var used: Set<SocketAddress> = []
      for _ in 0..<40 { if let address = try await call(channel) { used.insert(address) } }
      return used.count == expected
    }
  }
}
