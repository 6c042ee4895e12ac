import Synchronization
import TestSupport
import Testing
import Volery
import VoleryTesting

@Suite("Servers within a test", .timeLimit(.minutes(1))) struct InProcessTests {
  /// One call of each kind.
  static func callAll(_ parcels: ParcelsClient) async throws {
    #expect(try await parcels.track(Parcel(id: "1")).name == "shelf 1")
    let response = try await parcels.trackResponse(to: Parcel(id: "2"), options: CallOptions(metadata: ["x-user": "u"]))
    #expect(response.initialMetadata["x-depot"] == "north" && response.trailingMetadata["x-user"] == "u")
    var names: [String] = []
    for try await place in parcels.watch(Parcel(id: "w")) { names.append(place.name) }
    #expect(names == ["w1", "w2", "w3"])
    let collect = parcels.collect()
    for id in ["a", "b"] { try await collect.send(Parcel(id: id)) }
    collect.finish()
    #expect(try await collect.response.count == 2)
    let route = parcels.route()
    try await route.send(Parcel(id: "c"))
    route.finish()
    for try await place in route { #expect(place.name == "to c") }
  }

  @Test("are one line, and take every kind of call") func oneLine() async throws {
    let parcels = ParcelsClient(try .inProcess(Depot()))
    try await Self.callAll(parcels)
  }

  // Each of these has the same services and the same code: no name is theirs together. `swift test --parallel` runs them at once.
  @Test("don't know of each other, however many tests run at once", arguments: 0..<32)
  func parallel(_ number: Int) async throws {
    try await Self.callAll(ParcelsClient(try .inProcess(Depot())))
  }

  @Test("don't know of each other within one test either") func concurrent() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<64 {
        group.addTask {
          let answering = try Channel.answering(
            .unary(ParcelsMethods.track) { _, _ in Place(name: "place \(number)") })
          #expect(try await ParcelsClient(answering).track(Parcel()).name == "place \(number)")
        }
      }
      try await group.waitForAll()
    }
  }

  @Test("are gone with their channel") func lifetime() async throws {
    final class Token: Sendable {}
    struct Holding: Service {
      let token: Token
      var handlers: [MethodHandler] { [.unary(ParcelsMethods.track) { [token] _, _ in Place(name: "\(token)") }] }
    }
    weak var seen: Token?
    func use() async throws {
      let token = Token()
      seen = token
      _ = try await ParcelsClient(try .inProcess(Holding(token: token))).track(Parcel())
    }
    try await use()
    try await eventually("the service is gone") { seen == nil }
  }

  @Test("have interceptors, limits and deadlines as ever") func wholeWay() async throws {
    struct Refuse: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
        throw StatusError(.permissionDenied, "not you")
      }
    }
    var serverOptions = ServerOptions()
    serverOptions.interceptors = [Refuse().only(methods: ["/volery.tests.parcels.Parcels/Track"])]
    var options = ChannelOptions()
    options.maxResponseMessageBytes = 3
    let parcels = ParcelsClient(try .inProcess(Depot(), serverOptions: serverOptions, options: options))
    let refused = await #expect(throws: StatusError.self) { try await parcels.track(Parcel(id: "1")) }
    #expect(refused?.code == .permissionDenied)
    let large = await #expect(throws: StatusError.self) { for try await _ in parcels.watch(Parcel(id: "long")) {} }
    #expect(large?.code == .resourceExhausted)
  }

  @Test("drain and stop as servers do: what comes later fails with UNAVAILABLE") func stopping() async throws {
    let server = Server(services: [Depot()])
    let parcels = ParcelsClient(try .inProcess(server))
    var places = parcels.watch(Parcel(id: "endless")).makeAsyncIterator()
    for _ in 0..<3 { _ = try await places.next() }
    await server.drain()
    #expect(try await places.next() == nil)
    let error = await #expect(throws: StatusError.self) { try await parcels.track(Parcel(id: "1")) }
    #expect(error?.code == .unavailable)
    try await eventually("the error says why") {
      do throws(StatusError) {
        _ = try await parcels.track(Parcel(id: "1"))
        return false
      } catch {
        return error.code == .unavailable && error.message.contains("the server \"server\" is stopped")
      }
    }
  }

  @Test("can be several behind a resolver of the test, which come and go") func several() async throws {
    let network = try InProcessNetwork()
    for name in ["a", "b"] {
      let handler = MethodHandler.unary(ParcelsMethods.track) { _, _ in Place(name: name) }
      try network.add(Server(services: [Handlers(handlers: [handler])]), as: name)
    }
    let resolver = ManualResolver(scheme: "test")
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    let parcels = ParcelsClient(try network.channel("test:///parcels", options: options))
    resolver.publish(.resolved(Resolution(endpoints: [Endpoint(.inProcess("a")), Endpoint(.inProcess("b"))])))
    func answers(_ count: Int) async throws -> Set<String> {
      var names: Set<String> = []
      for _ in 0..<count { names.insert(try await parcels.track(Parcel()).name) }
      return names
    }
    try await eventually("both answer") { try await answers(20) == ["a", "b"] }
    network.remove("a")
    try await eventually("b alone answers") { (try? await answers(20)) == ["b"] }
    network.remove("b")
    try await eventually("nobody is there") {
      do throws(StatusError) {
        _ = try await parcels.track(Parcel(), options: CallOptions(timeout: .seconds(20)))
        return false
      } catch {
        return error.code == .unavailable && error.message.contains("the test's network has no server at in-process:")
      }
    }
    let again = MethodHandler.unary(ParcelsMethods.track) { _, _ in Place(name: "again") }
    try network.add(Server(services: [Handlers(handlers: [again])]), as: "a")
    let patient = CallOptions(timeout: .seconds(20), waitForReady: true)
    #expect(try await parcels.track(Parcel(), options: patient).name == "again")
  }
}

struct Handlers: Service {
  let handlers: [MethodHandler]
}
