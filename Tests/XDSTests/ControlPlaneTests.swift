import Foundation
import TestSupport
import Testing
import Volery
import VoleryXDS

/// The whole way, by a control plane of another implementation.
@Suite("xds: targets", .serialized, .timeLimit(.minutes(5))) struct ControlPlaneTests {
  private let control: ControlPlane

  init() throws {
    control = try ControlPlane()
    try control.set("listener", Resources.listener("orders", routes: "r"))
  }

  private func channel(port: Int) throws -> Channel {
    var options = ChannelOptions()
    options.useXDS(XDSResolverFactory(bootstrap: try XDSBootstrap(json: ControlPlane.bootstrap(port: port))))
    return try Channel("xds:///orders", options: options)
  }

  private func endpoints(_ clusters: [(String, [Backend])]) throws {
    let all = clusters.map { Resources.endpoints($0.0, [(0, 1, $0.1.map(\.port))]) }
    try control.set("endpoints", all.joined(separator: ","))
    try control.set("cluster", clusters.map { Resources.cluster($0.0) }.joined(separator: ","))
  }

  @Test("weighted clusters get their shares, as grpcio's client gives them by the same resources") func weights()
    async throws
  {
    let backends = try ["one", "two", "three"].map(Backend.init)
    defer { for backend in backends { backend.server.shutDown() } }
    try endpoints([("a", [backends[0], backends[1]]), ("b", [backends[2]])])
    try control.set("routes", Resources.routes("r", Resources.split(["a": 80, "b": 20])))
    let port = try await control.start()
    let channel = try channel(port: port)
    defer { channel.close() }
    let ours = try await Backend.ask(channel, calls: 1000)
    // Five standard deviations of 1,000 draws are 63.
    #expect(abs((ours["three"] ?? 0) - 200) < 64, "\(ours)")
    #expect(abs((ours["one"] ?? 0) - (ours["two"] ?? 0)) < 30, "\(ours)")
    let theirs = try await ControlPlane.grpcio("xds:///orders", port: port, calls: 1000)
    #expect(abs((theirs["three"] ?? 0) - 200) < 64, "\(theirs)")
  }

  @Test("routes go by path and metadata, the first that fits; a call without a route fails and says so") func routes()
    async throws
  {
    let backends = try ["one", "two", "three"].map(Backend.init)
    defer { for backend in backends { backend.server.shutDown() } }
    try endpoints([("a", [backends[0]]), ("b", [backends[1]]), ("c", [backends[2]])])
    try control.set(
      "routes",
      Resources.routes(
        "r",
        Resources.to("c", match: #"{"prefix": "", "headers": [{"name": "tier", "exact_match": "gold"}]}"#),
        Resources.to("b", match: #"{"path": "/test.Backend/Other"}"#),
        Resources.to("a", match: #"{"safe_regex": {"regex": "/test\\.Backend/W.*"}}"#)))
    let channel = try channel(port: try await control.start())
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 20) == ["one": 20])
    #expect(try await Backend.ask(channel, Backend.other, calls: 20) == ["two other": 20])
    #expect(try await Backend.ask(channel, calls: 20, metadata: ["tier": "gold"]) == ["three": 20])
    let nowhere = Method<[UInt8], [UInt8]>(service: "test.Elsewhere", name: "X", kind: .unary)
    let error = await #expect(throws: StatusError.self) { try await channel.unary(nowhere, []) }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("no route is for /test.Elsewhere/X") == true, "\(String(describing: error))")
  }

  @Test("a priority that is gone is followed by the next one, and used again when it is back") func priorities()
    async throws
  {
    let first = try Backend("first")
    let second = try Backend("second")
    defer {
      first.server.shutDown()
      second.server.shutDown()
    }
    try control.set("cluster", Resources.cluster("a"))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [first.port]), (1, 1, [second.port])]))
    let channel = try channel(port: try await control.start())
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 20) == ["first": 20])
    first.server.shutDown()
    // It goes without a word: a call that is on its way then is lost.
    try await eventually("the second priority serves") { (try? await Backend.ask(channel, calls: 1)) == ["second": 1] }
    let third = try Backend("third")
    defer { third.server.shutDown() }
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [third.port]), (1, 1, [second.port])]))
    try await eventually("the first priority serves again") { try await Backend.ask(channel, calls: 1) == ["third": 1] }
  }

  @Test("a locality that comes later is used, and a cluster that has been gone") func changes() async throws {
    let backends = try ["one", "two"].map(Backend.init)
    defer { for backend in backends { backend.server.shutDown() } }
    try control.set("cluster", Resources.cluster("a"))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [backends[0].port])]))
    let channel = try channel(port: try await control.start())
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 10) == ["one": 10])
    try control.set("endpoints", Resources.endpoints("a", backends.map { (0, 1, [$0.port]) }))
    try await eventually("the new locality is called") { try await Backend.ask(channel, calls: 10)["two"] ?? 0 > 0 }
    try control.set("cluster")
    try await eventually("the cluster is gone") { (try? await Backend.ask(channel, calls: 1)) == nil }
    try control.set("cluster", Resources.cluster("a"))
    try await eventually("it is there again") { (try? await Backend.ask(channel, calls: 1)) != nil }
  }

  @Test("a listener that is gone fails calls with its name, and they go on when it is there again") func listenerGone()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    try endpoints([("a", [backend])])
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    let channel = try channel(port: try await control.start())
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 5) == ["one": 5])
    try control.set("listener")
    try await eventually("calls fail") {
      do {
        _ = try await Backend.ask(channel, calls: 1)
        return false
      } catch let error as StatusError {
        return error.code == .unavailable && error.message.contains("the listener \"orders\" does not exist")
      }
    }
    try control.set("listener", Resources.listener("orders", routes: "r"))
    try await eventually("calls go on") { (try? await Backend.ask(channel, calls: 1)) == ["one": 1] }
  }

  @Test("a resource that makes no sense is refused with its name and field, and the last good one holds") func refusal()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    try endpoints([("a", [backend])])
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    let channel = try channel(port: try await control.start())
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 5) == ["one": 5])
    try control.set("routes", Resources.routes("r", Resources.split(["a": 0])))
    try await eventually("the control plane is told why") {
      control.output.contains("NACK routes the routes \"r\": virtual_hosts[0].routes[0].route.weighted_clusters")
    }
    #expect(try await Backend.ask(channel, calls: 5) == ["one": 5])
  }

  @Test("no call fails while the control plane is killed, comes back, and has moved all endpoints") func restart()
    async throws
  {
    let old = try Backend("old")
    let new = try Backend("new")
    defer {
      old.server.shutDown()
      new.server.shutDown()
    }
    try endpoints([("a", [old])])
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    let port = try await control.start()
    let channel = try channel(port: port)
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 10) == ["old": 10])
    control.kill()
    #expect(try await Backend.ask(channel, calls: 100) == ["old": 100])
    let next = try ControlPlane()
    try next.set("listener", Resources.listener("orders", routes: "r"))
    try next.set("routes", Resources.routes("r", Resources.to("a")))
    try next.set("cluster", Resources.cluster("a"))
    try next.set("endpoints", Resources.endpoints("a", [(0, 1, [new.port])]))
    _ = try await next.start(port: port)
    // Each of these calls has to succeed, whichever server it finds.
    try await eventually("the new endpoints serve", within: .seconds(60)) {
      try await Backend.ask(channel, calls: 1) == ["new": 1]
    }
    #expect(try await Backend.ask(channel, calls: 20) == ["new": 20])
  }
}
