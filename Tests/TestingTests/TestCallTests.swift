import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

/// What a user writes: all four kinds, with what a handler may ask and say.
struct Depot: ParcelsService {
  func track(_ request: Parcel, context: ServerContext) async throws -> Place {
    guard !request.id.isEmpty else { throw StatusError(.invalidArgument, "which parcel?") }
    context.initialMetadata["x-depot"] = "north"
    context.trailingMetadata["x-user"] = context.metadata["x-user"]
    return Place(name: "shelf \(request.id)")
  }

  func watch(_ request: Parcel, responses: ResponseWriter<Place>, context: ServerContext) async throws {
    try await context.untilServerDrains {
      for number in 1...3 { try await responses.write(Place(name: "\(request.id)\(number)")) }
      if request.id == "endless" { for await _ in AsyncStream<Void>.makeStream().stream {} }
    }
  }

  func collect(_ requests: RequestStream<Parcel>, context: ServerContext) async throws -> Receipt {
    Receipt(count: Int32(try await requests.reduce(into: 0) { count, _ in count += 1 }))
  }

  func route(
    _ requests: RequestStream<Parcel>, responses: ResponseWriter<Place>, context: ServerContext
  ) async throws {
    for try await request in requests { try await responses.write(Place(name: "to \(request.id)")) }
  }

  func old(_ request: Parcel, context: ServerContext) async throws -> Place { Place() }
}

@Suite("A handler that is called directly", .timeLimit(.minutes(1))) struct TestCallTests {
  @Test("sees what the test has made up, and the test what it says") func unary() async throws {
    let call = try TestCall(ParcelsMethods.track, metadata: ["x-user": "7"], timeout: .seconds(5))
    let place = try await Depot().track(Parcel(id: "9"), context: call.context)
    #expect(place.name == "shelf 9")
    #expect(call.initialMetadata["x-depot"] == "north" && call.trailingMetadata["x-user"] == "7")
    #expect(call.context.method == ParcelsMethods.track.descriptor)
    let left = try #require(call.context.deadline.timeRemaining)
    #expect(left > .zero && left <= .seconds(5))
    let error = await #expect(throws: StatusError.self) { try await Depot().track(Parcel(), context: call.context) }
    #expect(error?.code == .invalidArgument)
  }

  @Test("writes its stream to the test") func serverStreaming() async throws {
    let call = try TestCall(ParcelsMethods.watch)
    try await Depot().watch(Parcel(id: "a"), responses: call.responses, context: call.context)
    #expect(try call.written.map(\.name) == ["a1", "a2", "a3"])
  }

  @Test("reads the test's stream, which may be sent before it runs or meanwhile") func clientStreaming() async throws {
    let call = try TestCall(ParcelsMethods.collect)
    try call.send(Parcel(id: "a"), Parcel(id: "b"))
    async let receipt = Depot().collect(call.requests, context: call.context)
    try call.send(Parcel(id: "c"))
    call.finish()
    #expect(try await receipt.count == 3)
  }

  @Test("has both streams") func bidirectional() async throws {
    let call = try TestCall(ParcelsMethods.route)
    try call.send(Parcel(id: "a"), Parcel(id: "b"))
    call.finish()
    try await Depot().route(call.requests, responses: call.responses, context: call.context)
    #expect(try call.written.map(\.name) == ["to a", "to b"])
  }

  @Test("is told that its client has cancelled, by context and streams") func cancelled() async throws {
    let call = try TestCall(ParcelsMethods.route)
    let outcome = Task { try await Depot().route(call.requests, responses: call.responses, context: call.context) }
    #expect(!call.context.isCancelled)
    await call.cancel()
    #expect(call.context.isCancelled)
    let error = await #expect(throws: StatusError.self) { try await outcome.value }
    #expect(error?.code == .cancelled)
    let late = await #expect(throws: StatusError.self) { try await call.responses.write(Place()) }
    #expect(late?.code == .cancelled)
  }

  @Test("is told that its server drains") func draining() async throws {
    let call = try TestCall(ParcelsMethods.watch)
    #expect(!call.context.isServerDraining)
    async let whole: Void = Depot().watch(Parcel(id: "endless"), responses: call.responses, context: call.context)
    call.beginDraining()
    #expect(call.context.isServerDraining)
    try await whole
  }

  @Test("has the caller, and the certificate, that the test says") func caller() async throws {
    struct User: Equatable { var name: String }
    let identity = PeerIdentity(
      certificate: [], isVerified: true, subject: "CN=ann", issuer: "CN=root", commonName: "ann")
    let security = ConnectionSecurity(
      version: "TLS 1.3", cipher: "TLS_AES_128_GCM_SHA256", isResumed: false, identity: identity)
    let call = try TestCall(
      ParcelsMethods.track, peer: Peer(address: .tcp("10.0.0.7", 4711), security: security))
    #expect(call.context.identity?.commonName == "ann" && "\(call.context.peer)" == "10.0.0.7:4711")
    let nobody = #expect(throws: StatusError.self) { try call.context.caller(User.self) }
    #expect(nobody?.code == .unauthenticated)
    call.context.setCaller(User(name: "ann"))
    #expect(try call.context.caller(User.self) == User(name: "ann"))
  }
}
