import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy

/// Says who it is and what it was told, whatever service it is asked as.
struct Named: Service {
  let name: String

  static func method(_ service: String, _ name: String = "Get") -> Method<[UInt8], [UInt8]> {
    Method(service: service, name: name, kind: .unary)
  }

  var handlers: [MethodHandler] {
    let methods = [
      Named.method("shop.Orders"), Named.method("shop.Orders", "Put"), Named.method("shop.Stock"),
      Named.method("bank.Accounts"),
    ]
    return methods.map { method in
      .unary(method) { [name] _, context in
        var trailing = Metadata()
        trailing.append(context.authority, for: "authority-seen")
        if let left = context.deadline.timeRemaining {
          trailing.append("\(left.components.seconds)", for: "seconds-left")
        }
        for value in context.metadata.values("x-spiffe-id") { trailing.append(value, for: "spiffe-seen") }
        context.trailingMetadata = trailing
        return Array(name.utf8)
      }
    }
  }
}

extension Channel {
  func whoAnswers(
    _ service: String, _ name: String = "Get", _ metadata: Metadata = Metadata()
  ) async throws -> String {
    let options = CallOptions(metadata: metadata, timeout: .seconds(20), waitForReady: true)
    return String(
      decoding: try await unary(Named.method(service, name), [], options: options).message, as: UTF8.self)
  }
}

/// Servers with names, each on a port of its own.
struct NamedServers {
  let servers: [Server]
  let addresses: [String]

  init(_ names: String..., credentials: ServerCredentials = .plaintext) throws {
    var options = ServerOptions()
    options.handlesSignals = false
    servers = names.map { Server(services: [Named(name: $0)], credentials: credentials, options: options) }
    addresses = try servers.map { "\(try $0.start(listeningOn: .tcp("127.0.0.1", 0))[0])" }
  }

  func shutDown() { for server in servers { server.shutDown() } }
}

@Suite("Routes of a proxy", .timeLimit(.minutes(1))) struct RoutingTests {
  @Test("turns go by weight, and those of a light one stand apart") func turns() throws {
    var turns = try #require(WeightedTurns([3, 0, 1]))
    #expect((0..<8).map { _ in turns.next() } == [0, 0, 2, 0, 0, 0, 2, 0])
    var ninety = try #require(WeightedTurns([95, 5]))
    #expect((0..<1000).count { _ in ninety.next() == 1 } == 50)
    #expect(WeightedTurns([0, 0]) == nil)
    #expect(WeightedTurns([]) == nil)
    #expect(WeightedTurns([1, -1]) == nil)
    #expect(WeightedTurns([1_000_001]) == nil)
  }

  private func with(
    _ routes: [ProxyRoute], _ body: (Proxy, Channel) async throws -> Void
  ) async throws {
    var options = ProxyOptions()
    options.eventLoops = 1
    let proxy = try Proxy(routes: routes, services: [Health()], options: options)
    let address = try proxy.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    try await body(proxy, try Channel("\(address)"))
    await proxy.drain(limit: .zero)
  }

  @Test("the first route that a call meets holds: by header, by method, by service, by package")
  func firstMatch() async throws {
    let servers = try NamedServers("canary", "put", "orders", "shop")
    defer { servers.shutDown() }
    let targets = servers.addresses.map { ProxyTarget($0) }
    var routes = targets.map { ProxyRoute(to: $0) }
    routes[0].service = "shop.Orders"
    routes[0].headers = [.exact("X-Canary", "yes"), .prefix("x-user", "test-"), .present("x-trace-bin")]
    routes[1].pathPrefix = "/shop.Orders/Pu"
    routes[2].service = "shop.Orders"
    routes[3].pathPrefix = "/shop."
    try await with(routes) { (_: Proxy, channel: Channel) async throws -> Void in
      var canary: Metadata = ["x-canary": "no", "x-user": "test-1"]
      canary.append("yes", for: "x-canary")
      canary.append(binary: [0, 255], for: "x-trace-bin")
      #expect(try await channel.whoAnswers("shop.Orders", "Get", canary) == "canary")
      #expect(try await channel.whoAnswers("shop.Orders", "Put", canary) == "canary")
      #expect(try await channel.whoAnswers("shop.Orders", "Put") == "put")
      #expect(try await channel.whoAnswers("shop.Orders") == "orders")
      #expect(try await channel.whoAnswers("shop.Stock", "Get", canary) == "shop")
      for key in ["x-canary", "x-user", "x-trace-bin"] {
        var part = canary
        part.removeAll(key)
        #expect(try await channel.whoAnswers("shop.Orders", "Get", part) == "orders", "without \(key)")
      }
      var other = canary
      other["x-user"] = "a-test-1"
      #expect(try await channel.whoAnswers("shop.Orders", "Get", other) == "orders")
    }
  }

  @Test("a call that meets no route is UNIMPLEMENTED, and its client learns nothing of targets and routes")
  func unknown() async throws {
    let servers = try NamedServers("shop")
    defer { servers.shutDown() }
    var route = ProxyRoute(to: ProxyTarget(servers.addresses[0]))
    route.pathPrefix = "/shop."
    try await with([route]) { (_: Proxy, channel: Channel) async throws -> Void in
      let error = await #expect(throws: StatusError.self) { _ = try await channel.whoAnswers("bank.Accounts") }
      #expect(error?.code == .unimplemented)
      #expect(error?.status.message == "the proxy: the method is not known here")
    }
  }

  @Test("a thousand methods, more than a proxy remembers, each meet their own route") func manyMethods() async throws {
    let servers = try NamedServers("one")
    defer { servers.shutDown() }
    var route = ProxyRoute(to: ProxyTarget(servers.addresses[0]))
    route.service = "one.Orders"
    try await with([route]) { (_: Proxy, channel: Channel) async throws -> Void in
      for number in 1000..<1500 {
        // Paths of one length, of which some have to share a place in whatever remembers them.
        let known = await #expect(throws: StatusError.self) {
          _ = try await channel.whoAnswers("one.Orders", "M\(number)")
        }
        #expect(known?.code == .unimplemented && known?.status.message.hasPrefix("the proxy") == false, "\(number)")
        let unknown = await #expect(throws: StatusError.self) {
          _ = try await channel.whoAnswers("two.Orders", "M\(number)")
        }
        #expect(unknown?.status.message == "the proxy: the method is not known here", "\(number)")
      }
    }
  }

  @Test("a client of a target without servers learns neither its name nor its addresses") func nothingOfTheInside()
    async throws
  {
    let listener = try ScriptedListener()
    let port = listener.port
    listener.stop()
    try await with([ProxyRoute(to: ProxyTarget("127.0.0.1:\(port)"))]) {
      (_: Proxy, channel: Channel) async throws -> Void in
      let error = await #expect(throws: StatusError.self) { _ = try await channel.unary(Echo.unary, [1]) }
      #expect(error?.code == .unavailable)
      #expect(error?.status.message == "the proxy: no server could take the call, or the one that had it was lost")
    }
  }

  @Test("a canary gets exactly its share") func weights() async throws {
    let servers = try NamedServers("stable", "canary", "off")
    defer { servers.shutDown() }
    let targets = servers.addresses.map { ProxyTarget($0) }
    let route = ProxyRoute(
      to: zip(targets, [9, 1, 0]).map { ProxyDestination($0.0, weight: $0.1) })
    try await with([route]) { (_: Proxy, channel: Channel) async throws -> Void in
      var answers: [String: Int] = [:]
      for _ in 0..<200 { answers[try await channel.whoAnswers("shop.Stock"), default: 0] += 1 }
      #expect(answers == ["stable": 180, "canary": 20])
    }
  }

  @Test("weights that are all 0 make no proxy") func noWeight() throws {
    let target = ProxyTarget("127.0.0.1:1")
    #expect(throws: TargetError.self) {
      _ = try Proxy(routes: [ProxyRoute(to: target), ProxyRoute(to: [ProxyDestination(target, weight: 0)])])
    }
    #expect(throws: TargetError.self) { _ = try Proxy(routes: [ProxyRoute(to: [])]) }
  }

  @Test("a route says which authority servers get, and how long a call may last at most") func terms() async throws {
    let servers = try NamedServers("a")
    defer { servers.shutDown() }
    let target = ProxyTarget(servers.addresses[0])
    var routes = [ProxyRoute(to: target), ProxyRoute(to: target), ProxyRoute(to: target)]
    routes[0].service = "shop.Orders"
    routes[0].authority = .name("orders.example.com")
    routes[1].service = "shop.Stock"
    routes[1].authority = .target
    routes[1].maxTimeout = .seconds(900)
    try await with(routes) { (_: Proxy, channel: Channel) async throws -> Void in
      func seen(_ service: String, _ key: String, timeout: Duration? = nil) async throws -> String? {
        let options = CallOptions(timeout: timeout, waitForReady: true)
        return try await channel.unary(Named.method(service), [], options: options).trailingMetadata[key]
      }
      #expect(try await seen("shop.Orders", "authority-seen") == "orders.example.com")
      #expect(try await seen("shop.Stock", "authority-seen") == servers.addresses[0])
      #expect(try await seen("bank.Accounts", "authority-seen") == "\(channel.target.endpoint)")
      func left(_ service: String, timeout: Duration?) async throws -> Int? {
        try await seen(service, "seconds-left", timeout: timeout).flatMap { Int($0) }
      }
      #expect(try await left("shop.Orders", timeout: .seconds(5000)).map { (4900..<5000).contains($0) } == true)
      #expect(try await left("shop.Orders", timeout: nil) == nil)
      #expect(try await left("shop.Stock", timeout: .seconds(5000)).map { (800..<900).contains($0) } == true)
      #expect(try await left("shop.Stock", timeout: nil).map { (800..<900).contains($0) } == true)
      #expect(try await left("shop.Stock", timeout: .seconds(200)).map { (100..<200).contains($0) } == true)
    }
  }

  @Test("the most that a route allows ends a call that has no deadline of its own") func maxTimeout() async throws {
    let listener = try ScriptedListener()
    var route = ProxyRoute(to: ProxyTarget("127.0.0.1:\(listener.port)"))
    route.maxTimeout = .milliseconds(100)
    try await with([route]) { (_: Proxy, channel: Channel) async throws -> Void in
      let error = await #expect(throws: StatusError.self) { _ = try await channel.unary(Echo.unary, [1]) }
      #expect(error?.code == .deadlineExceeded)
      #expect(error?.origin == .peer)
    }
  }

  /// How many connections a server has had.
  private final class Connections: Observer {
    let count = Atomic<Int>(0)
    func happened(_ event: ServerEvent, to server: ObservedServer) {
      if case .connectionOpened = event { count.add(1, ordering: .relaxed) }
    }
  }

  @Test("a target that is there before and after keeps its connections, and options of calls hold anew") func kept()
    async throws
  {
    let connections = Connections()
    var options = ServerOptions()
    options.observers = [connections]
    let server = Server(services: [Echo()], options: options)
    let target = ProxyTarget("\(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])")
    defer { server.shutDown() }
    try await with([ProxyRoute(to: target)]) { proxy, channel in
      #expect(try await channel.unary(Echo.unary, [1]).message == [1])
      var options = ProxyOptions()
      options.name = "renamed"
      try proxy.update(routes: [ProxyRoute(to: ProxyTarget("127.0.0.1:1")), ProxyRoute(to: target)], options: options)
      try proxy.update(routes: [ProxyRoute(to: target)], options: options)
      try await eventually("the new name holds") {
        try await channel.unary(Echo.metadata, []).trailingMetadata["x-proxied-by-seen"] == "renamed"
      }
      #expect(connections.count.load(ordering: .relaxed) == 1)
    }
  }

  @Test("other routes hold for new calls, and take nothing from those that run") func update() async throws {
    let (old, new) = (Server(services: [Echo()]), Server(services: [Echo()]))
    let addresses = try [old, new].map { "\(try $0.start(listeningOn: .tcp("127.0.0.1", 0))[0])" }
    defer {
      old.shutDown()
      new.shutDown()
    }
    try await with([ProxyRoute(to: ProxyTarget(addresses[0]))]) { proxy, channel in
      let chat = channel.bidirectional(Echo.chat)
      var responses = chat.makeAsyncIterator()
      try await chat.send([1])
      #expect(try await responses.next() == [1])
      try proxy.update(routes: [ProxyRoute(to: ProxyTarget(addresses[1]))], options: ProxyOptions())
      try await eventually("the new target has the calls") {
        try await channel.unary(Echo.metadata, []).trailingMetadata["peer-seen"] == addresses[1]
      }
      // The old one has no route, and still its call.
      try await chat.send([2])
      #expect(try await responses.next() == [2])
      // What can't be had changes nothing.
      #expect(throws: TargetError.self) {
        try proxy.update(routes: [ProxyRoute(to: ProxyTarget("nonsense://x"))], options: ProxyOptions())
      }
      #expect(throws: TargetError.self) {
        let targets = [addresses[0], "nonsense://x"].map { ProxyRoute(to: ProxyTarget($0)) }
        try proxy.update(routes: targets, options: ProxyOptions())
      }
      #expect(try await channel.unary(Echo.metadata, []).trailingMetadata["peer-seen"] == addresses[1])
      chat.finish()
      #expect(try await responses.next() == nil)
    }
  }
}
