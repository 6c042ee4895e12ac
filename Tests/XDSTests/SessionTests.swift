import TestSupport
import Testing
import Volery
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// Sessions by cookie as a control plane wants them, over real connections (gRFC A55, A60).
@Suite("Sessions that a control plane wants", .serialized, .timeLimit(.minutes(5))) struct SessionTests {
  private let control = ScriptedControl()

  /// Four servers: three of the cluster `a`, one of `b`.
  private func led(
    _ filters: [WireHttpFilter], _ routes: WireRouteConfiguration? = nil,
    _ body: (Channel, [Backend]) async throws -> Void
  ) async throws {
    let servers = try ["one", "two", "three", "four"].map { try Backend($0) }
    defer { for backend in servers { backend.server.shutDown() } }
    try control.set(.listener, Wires.listener(filters: filters))
    try control.set(.routes, routes ?? Wires.routes(to: "a"))
    try control.set(.cluster, cluster("a"), cluster("b"))
    try place(servers)
    let bootstrap = XDSBootstrap(serverURI: "127.0.0.1:\(try control.start())", isSecure: false, nodeID: "test")
    var options = ChannelOptions()
    options.useXDS(XDSResolverFactory(bootstrap: bootstrap))
    let channel = try Channel("xds:///orders", options: options)
    defer {
      channel.close()
      control.stop()
    }
    try await body(channel, servers)
  }

  /// Draining servers keep their sessions.
  private func cluster(_ name: String) -> WireCluster {
    var wire = Wires.cluster(name)
    wire.commonLbConfig = WireCluster.CommonLbConfig(overrideHostStatus: WireHealthStatusSet(statuses: [0, 1, 3]))
    return wire
  }

  private func place(_ servers: [Backend], draining: String? = nil, without: String? = nil) throws {
    let names = ["one", "two", "three"]
    let own = zip(names, servers).filter { $0.0 != without }.map { name, server in
      var endpoint = Wires.endpoint(server.port)
      if name == draining { endpoint.healthStatus = 3 }
      return endpoint
    }
    try control.set(
      .endpoints, Wires.endpoints("a", [Wires.locality("z", own)]), Wires.endpoints("b", ports: servers[3].port))
  }

  private static func filter(_ cookie: WireCookie = WireCookie(name: "where", path: "/")) throws -> WireHttpFilter {
    try Wires.filter(Wires.sessions(cookie))
  }

  /// What a call was answered with, and the cookie that came along.
  private struct Answer {
    let server: String
    let cookie: String?
    /// Name and value, as a caller sends them.
    var pair: String? { cookie.map { String($0.prefix { $0 != ";" }) } }
  }

  private func ask(
    _ channel: Channel, _ cookie: String? = nil, _ method: Method<[UInt8], [UInt8]> = Backend.who
  ) async throws -> Answer {
    let response = try await channel.unary(method, [], options: options(cookie))
    let name = String(decoding: response.message, as: UTF8.self).prefix { $0 != " " }
    return Answer(server: String(name), cookie: response.initialMetadata["set-cookie"])
  }

  private func options(_ cookie: String?) -> CallOptions {
    var options = CallOptions(timeout: .seconds(20), waitForReady: true)
    if let cookie { options.metadata = ["cookie": cookie] }
    return options
  }

  /// All of them are connected.
  private func spread(_ channel: Channel, over count: Int = 3) async throws {
    try await eventually("all are called") { try await Backend.ask(channel, calls: 30).count == count }
  }

  @Test("the first answer says which server it is, and later ones nothing; calls without the cookie are spread")
  func stays() async throws {
    try await led([try Self.filter(WireCookie(name: "where", ttl: Google_Protobuf_Duration(seconds: 90), path: "/"))]) {
      channel, servers in
      try await spread(channel)
      let first = try await ask(channel)
      let cookie = try #require(first.cookie)
      #expect(cookie.hasSuffix("; HttpOnly; Path=/; Max-Age=90"), "\(cookie)")
      let pair = try #require(first.pair)
      let value = try #require(SessionCookie.decoded(String(pair.dropFirst("where=".count))))
      let port = servers[try #require(["one", "two", "three"].firstIndex(of: first.server))].port
      #expect(value == "127.0.0.1:\(port);a")
      for _ in 0..<12 {
        let next = try await ask(channel, "theme=dark; \(pair)")
        #expect(next.server == first.server && next.cookie == nil)
      }
      #expect(try await Backend.ask(channel, calls: 30).count == 3)
    }
  }

  @Test("a stream says it with its initial metadata, before its first message and long before its end")
  func streams() async throws {
    try await led([try Self.filter()]) { channel, _ in
      try await spread(channel)
      let stream = channel.bidirectional(Backend.hold, options: options(nil))
      try await stream.send([1])
      let cookie = try #require(try await stream.initialMetadata["set-cookie"])
      let pair = String(cookie.prefix { $0 != ";" })
      let home = try await ask(channel, pair)
      #expect(home.cookie == nil)
      let second = channel.bidirectional(Backend.hold, options: options(pair))
      try await second.send([2])
      #expect(try await second.initialMetadata["set-cookie"] == nil)
      stream.finish()
      second.finish()
      #expect(await stream.status.code == .ok)
      #expect(await second.status.code == .ok)
    }
  }

  @Test("an answer that is nothing but a status has the cookie beside it") func trailersOnly() async throws {
    try await led([try Self.filter()]) { channel, _ in
      try await spread(channel)
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(Backend.fail, [], options: options(nil))
      }
      #expect(error?.code == .notFound)
      let cookie = try #require(error?.metadata["set-cookie"])
      let pair = String(cookie.prefix { $0 != ";" })
      #expect(try await ask(channel, pair).cookie == nil)
      let again = await #expect(throws: StatusError.self) {
        try await channel.unary(Backend.fail, [], options: options(pair))
      }
      #expect(again?.code == .notFound && again?.metadata["set-cookie"] == nil)
    }
  }

  @Test("a draining server gets its sessions' calls and no others; when it is gone, they have another one")
  func drains() async throws {
    try await led([try Self.filter()]) { channel, servers in
      try await spread(channel)
      let first = try await ask(channel)
      let pair = try #require(first.pair)
      try place(servers, draining: first.server)
      try await eventually("nobody else is sent there") {
        try await Backend.ask(channel, calls: 12)[first.server] == nil
      }
      for _ in 0..<12 {
        let next = try await ask(channel, pair)
        #expect(next.server == first.server && next.cookie == nil)
      }
      try place(servers, without: first.server)
      try await eventually("it is gone") { try await ask(channel, pair).server != first.server }
      let moved = try await ask(channel, pair)
      let other = try #require(moved.pair)
      #expect(other != pair)
      let server = try await ask(channel, other).server
      for _ in 0..<6 { #expect(try await ask(channel, other).server == server) }
    }
  }

  @Test("a client that comes while a server drains connects to it for a session that was begun elsewhere")
  func comesLate() async throws {
    try await led([try Self.filter()]) { channel, servers in
      try place(servers, draining: "two")
      try await eventually("two servers are called") {
        let found = try await Backend.ask(channel, calls: 30)
        return found.count == 2 && found["two"] == nil
      }
      let pair = "where=\(SessionCookie.encoded("127.0.0.1:\(servers[1].port);a"))"
      let answer = try await ask(channel, pair)
      #expect(answer.server == "two" && answer.cookie == nil)
    }
  }

  @Test("a session stays in its cluster, as long as that is one of the route's") func clusters() async throws {
    var routes = Wires.routes(to: "a")
    let weighted = ["a", "b"].map {
      WireWeightedCluster.ClusterWeight(name: $0, weight: Google_Protobuf_UInt32Value(value: 50))
    }
    routes.virtualHosts[0].routes[0].action = .route(
      WireRouteAction(clusterSpecifier: .weightedClusters(WireWeightedCluster(clusters: weighted))))
    try await led([try Self.filter()], routes) { channel, servers in
      try await spread(channel, over: 4)
      for (cluster, port) in [("a", servers[0].port), ("b", servers[3].port)] {
        let pair = "where=\(SessionCookie.encoded("127.0.0.1:\(port);\(cluster)"))"
        for _ in 0..<20 {
          let answer = try await ask(channel, pair)
          #expect(answer.server == (cluster == "a" ? "one" : "four") && answer.cookie == nil)
        }
      }
      // The cluster of this one is none of the route's.
      let foreign = "where=\(SessionCookie.encoded("127.0.0.1:\(servers[0].port);c"))"
      #expect(try await ask(channel, foreign).cookie != nil)
    }
  }

  @Test("routes have a cookie of their own, or none; a cookie is for the calls below its path alone")
  func routes() async throws {
    var routes = Wires.routes(to: "a")
    let plain = routes.virtualHosts[0].routes[0]
    func route(_ path: String, _ override: WireStatefulSessionPerRoute) throws -> WireRoute {
      var route = plain
      route.match = WireRouteMatch(pathSpecifier: .path(path))
      route.typedPerFilterConfig = ["sessions": try Google_Protobuf_Any(packing: override)]
      return route
    }
    let own = try Wires.sessions(WireCookie(name: "own", path: "/test.Backend"))
    routes.virtualHosts[0].routes = [
      try route("/test.Backend/Other", WireStatefulSessionPerRoute(override: .statefulSession(own))),
      try route("/test.Backend/Fail", WireStatefulSessionPerRoute(override: .disabled(true))), plain,
    ]
    try await led([try Self.filter(WireCookie(name: "where", path: "/elsewhere"))], routes) { channel, _ in
      #expect(try await ask(channel).cookie == nil, "the path is another one")
      let other = try await ask(channel, nil, Backend.other)
      #expect(other.cookie?.hasPrefix("own=") == true && other.cookie?.contains("; Path=/test.Backend") == true)
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(Backend.fail, [], options: options(nil))
      }
      #expect(error?.code == .notFound && error?.metadata["set-cookie"] == nil)
    }
  }

  @Test(
    "a server of several addresses is one: any of them names it, and it is reached by the one that works (gRFC A61)")
  func addresses() async throws {
    try await led([try Self.filter()]) { channel, servers in
      let dead = try Backend.freePort()
      var several = Wires.endpoint(dead)
      if case .endpoint(var endpoint)? = several.hostIdentifier {
        let other = WireSocketAddress(address: "127.0.0.1", portSpecifier: .portValue(UInt32(servers[0].port)))
        endpoint.additionalAddresses = [
          WireEndpoint.AdditionalAddress(address: WireAddress(address: .socketAddress(other)))
        ]
        several.hostIdentifier = .endpoint(endpoint)
      }
      try control.set(
        .endpoints, Wires.endpoints("a", [Wires.locality("z", [several, Wires.endpoint(servers[1].port)])]),
        Wires.endpoints("b", ports: servers[3].port))
      try await eventually("both are called") {
        try await Backend.ask(channel, calls: 20).keys.sorted() == ["one", "two"]
      }
      for port in [dead, servers[0].port] {
        let pair = "where=\(SessionCookie.encoded("127.0.0.1:\(port);a"))"
        for _ in 0..<6 {
          let answer = try await ask(channel, pair)
          #expect(answer.server == "one" && answer.cookie == nil)
        }
      }
      let moved = try await ask(channel, "where=\(SessionCookie.encoded("127.0.0.1:\(dead);b"))")
      let value = try #require(moved.pair?.dropFirst("where=".count))
      #expect(SessionCookie.decoded(String(value)) == "127.0.0.1:\(dead),127.0.0.1:\(servers[0].port);a")
    }
  }

  @Test("what is no cookie of ours is none: any server answers, and says which")
  func garbled() async throws {
    try await led([try Self.filter()]) { channel, servers in
      let texts = [
        "where=", "where", "where=%%%", "where=\"\"", "=", ";;;", "where=\(SessionCookie.encoded("nowhere"))",
        "where=\(SessionCookie.encoded("127.0.0.1:0;a"))", "where=\(SessionCookie.encoded("127.0.0.1:99999;a"))",
        "where=\(SessionCookie.encoded(";;;"))", "where=\(SessionCookie.encoded(String(repeating: ",", count: 2000)))",
        "where=\(String(repeating: "A", count: 6000))",
        "WHERE=\(SessionCookie.encoded("127.0.0.1:\(servers[0].port);a"))",
        "where=\(SessionCookie.encoded("127.0.0.1:\(servers[3].port);a"))",
      ]
      for text in texts {
        let answer = try await ask(channel, text)
        #expect(answer.cookie?.hasPrefix("where=") == true, "\(text.prefix(40))")
        #expect(["one", "two", "three"].contains(answer.server))
      }
    }
  }

  @Test("a cookie that makes no sense is refused by its field, in a listener and in a route") func refused() throws {
    func field(_ cookie: WireCookie?) throws -> String? {
      let wire = try Wires.listener(filters: [try Wires.filter(Wires.sessions(cookie))])
      let read = ReadResource(try Google_Protobuf_Any(packing: wire), .listener)
      if case .failure(let error) = read.result { return error.description }
      return nil
    }
    let place = "api_listener.http_filters[\"sessions\"].session_state.typed_config.cookie"
    #expect(try field(WireCookie(name: "where")) == nil)
    #expect(try field(WireCookie()) == "\(place).name: empty")
    #expect(try field(WireCookie(name: "a b"))?.hasPrefix("\(place).name: ") == true)
    #expect(try field(WireCookie(name: "a", path: "/\r\nx: y"))?.hasPrefix("\(place).path: ") == true)
    #expect(try field(WireCookie(name: "a", path: "/; Domain=x"))?.hasPrefix("\(place).path: ") == true)
    #expect(try field(nil) == "\(place): missing")
    for ttl in [
      Google_Protobuf_Duration(seconds: -1), Google_Protobuf_Duration(nanos: -1),
      Google_Protobuf_Duration(seconds: .max),
    ] {
      #expect(try field(WireCookie(name: "a", ttl: ttl)) == "\(place).ttl: is out of range")
    }
    var routes = Wires.routes(to: "a")
    let bad = WireStatefulSessionPerRoute(override: .statefulSession(try Wires.sessions(WireCookie())))
    routes.virtualHosts[0].typedPerFilterConfig = ["sessions": try Google_Protobuf_Any(packing: bad)]
    let read = ReadResource(try Google_Protobuf_Any(packing: routes), .routes)
    guard case .failure(let error) = read.result else {
      Issue.record("it is accepted")
      return
    }
    #expect(
      error.description
        == "virtual_hosts[0].typed_per_filter_config[\"sessions\"].stateful_session.session_state.typed_config.cookie.name: empty"
    )
  }
}
