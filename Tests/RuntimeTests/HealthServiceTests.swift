import TestSupport
import Testing
import Volery

/// grpc.health.v1.Health as a client sees it (grpc/grpc doc/health-checking.md; gRFC A90).
@Suite("The health service", .timeLimit(.minutes(1))) struct HealthServiceTests {
  static let timely = CallOptions(timeout: .seconds(20))

  struct Stage {
    let health: Health
    let server: Server
    let client: HealthClient

    init(_ health: Health = Health()) throws {
      self.health = health
      server = Server(services: [health])
      let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
      client = HealthClient(try Channel("static:///\(address)"), defaults: HealthServiceTests.timely)
    }

    func check(_ service: String = "") async throws -> HealthCheckResponse.ServingStatus {
      try await client.check(HealthCheckRequest(service: service)).status
    }

    func watch(_ service: String = "") -> ServerStreamingCall<HealthCheckResponse> {
      client.watch(HealthCheckRequest(service: service))
    }
  }

  @Test("each service has the status that was set for it, the server as a whole its own") func check() async throws {
    let stage = try Stage(Health(services: ["shop.Orders"]))
    defer { stage.server.shutDown() }
    stage.health.set(.notServing, for: "shop.Returns")
    #expect(try await stage.check() == .serving)
    #expect(try await stage.check("shop.Orders") == .serving)
    #expect(try await stage.check("shop.Returns") == .notServing)
    #expect(stage.health.status(of: "shop.Returns") == .notServing && stage.health.status(of: "shop.None") == nil)
    stage.health.set(.notServing)
    #expect(try await stage.check() == .notServing)
    #expect(try await stage.check("shop.Orders") == .serving, "a service's status is its own")
    let statuses = try await stage.client.list(HealthListRequest()).statuses.mapValues(\.status)
    #expect(statuses == ["": .notServing, "shop.Orders": .serving, "shop.Returns": .notServing])
    let error = await #expect(throws: StatusError.self) { try await stage.check("shop.None") }
    #expect(error?.code == .notFound)
    let long = await #expect(throws: StatusError.self) { try await stage.check(String(repeating: "x", count: 100_000)) }
    #expect(long?.code == .notFound && long.map { $0.message.utf8.count < 500 } == true)
  }

  @Test("a watch of a service that nobody knows says so and goes on: it hears when that changes, both ways")
  func watchUnknown() async throws {
    let stage = try Stage()
    defer { stage.server.shutDown() }
    var statuses = stage.watch("shop.Orders").makeAsyncIterator()
    #expect(try await statuses.next()?.status == .serviceUnknown)
    stage.health.set(.serving, for: "shop.Orders")
    #expect(try await statuses.next()?.status == .serving)
    stage.health.set(.notServing, for: "shop.Orders")
    #expect(try await statuses.next()?.status == .notServing)
    stage.health.remove("shop.Orders")
    #expect(try await statuses.next()?.status == .serviceUnknown)
    stage.health.set(.notServing)
    stage.health.set(.serving, for: "shop.Orders")
    #expect(try await statuses.next()?.status == .serving, "of others it hears nothing")
  }

  @Test("watches are bounded, and one that ends makes room") func boundedWatches() async throws {
    let stage = try Stage(Health(maxWatches: 2))
    defer { stage.server.shutDown() }
    let first = stage.watch()
    var statuses = [first.makeAsyncIterator(), stage.watch("shop.None").makeAsyncIterator()]
    for index in statuses.indices { #expect(try await statuses[index].next() != nil) }
    let error = await #expect(throws: StatusError.self) { for try await _ in stage.watch() {} }
    #expect(error?.code == .resourceExhausted)
    #expect(try await stage.check() == .serving, "only watches are refused")
    first.cancel()
    try await eventually("there is room again") {
      var statuses = stage.watch().makeAsyncIterator()
      do { return try await statuses.next() != nil } catch let error as StatusError {
        #expect(error.code == .resourceExhausted)
        return false
      }
    }
    let long = await #expect(throws: StatusError.self) {
      for try await _ in stage.watch(String(repeating: "x", count: 5000)) {}
    }
    #expect(long?.code == .invalidArgument)
  }

  @Test("a server that drains says NOT_SERVING of all its services, and nothing changes that; watches hear it and end")
  func drain() async throws {
    let stage = try Stage(Health(services: ["shop.Orders"]))
    defer { stage.server.shutDown() }
    var watches = ["", "shop.Orders", "shop.None"].map { stage.watch($0).makeAsyncIterator() }
    for (index, status) in [HealthCheckResponse.ServingStatus.serving, .serving, .serviceUnknown].enumerated() {
      #expect(try await watches[index].next()?.status == status)
    }
    let drained = Task { await stage.server.drain(limit: .seconds(600)) }
    for index in 0...1 { #expect(try await watches[index].next()?.status == .notServing) }
    for index in watches.indices { #expect(try await watches[index].next() == nil, "it ends with OK") }
    stage.health.set(.serving)
    stage.health.set(.serving, for: "shop.Orders")
    stage.health.set(.serving, for: "shop.Late")
    stage.health.remove("shop.Orders")
    #expect(stage.health.status() == .notServing && stage.health.status(of: "shop.Orders") == .notServing)
    #expect(stage.health.status(of: "shop.Late") == nil)
    await drained.value
  }
}
