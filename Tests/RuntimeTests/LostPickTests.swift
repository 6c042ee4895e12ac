import TestSupport
import Testing
import Volery

@Suite("Picks whose connection is lost before anything was sent", .timeLimit(.minutes(1))) struct LostPickTests {
  /// Holds the first attempt back, between its pick and its stream.
  struct HoldingFirst: ClientInterceptor {
    let isHeld: LockedBox<Bool>
    let gate: AsyncStream<Void>
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      if !isHeld.get() {
        isHeld.set(true)
        for await _ in gate { break }
      }
      try await next()
    }
  }

  @Test(
    "a pick whose connection is lost before the attempt was sent hears that nothing was; the call goes elsewhere",
    arguments: Way.allCases)
  func lostBeforeSent(_ way: Way) async throws {
    let (first, firstAddress) = try NotingStage.start(way)
    let (second, secondAddress) = try NotingStage.start(way)
    defer { second.shutDown() }
    let notes = Notes()
    let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    let holding = HoldingFirst(isHeld: LockedBox(false), gate: gate)
    let resolver = ManualResolver(scheme: "moving")
    resolver.publish(.resolved(Resolution(endpoints: [Endpoint(firstAddress)])))
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.attemptInterceptors = [holding]
    let channel = try Channel("moving:///orders", options: options)
    let call = Task { try await channel.unary(RawEcho.unary, [1], options: NotingStage.limit) }
    try await eventually("the attempt is held") { holding.isHeld.get() }
    first.shutDown()
    try await eventually("its connection is lost") { channel.state != .ready }
    resolver.publish(.resolved(Resolution(endpoints: [Endpoint(secondAddress)])))
    try await channel.waitUntilReady(.after(.seconds(20)))
    opening.finish()
    #expect(try await call.value.peer?.address == secondAddress)
    try await eventually("all picks have heard") { notes.ends.count == notes.picks }
    let lost = try #require(notes.ends.first)
    #expect(!lost.wasSent && lost.code == .cancelled && lost.origin == .local && lost.trailingMetadata.isEmpty)
    #expect(notes.ends.last?.wasSent == true && notes.ends.last?.code == .ok)
    #expect(!notes.calledTwice)
  }

  @Test(
    "and where there is nowhere else to go, the call's error says which server was lost, and how",
    arguments: Way.allCases)
  func lostBeforeSentForGood(_ way: Way) async throws {
    let (server, address) = try NotingStage.start(way)
    let notes = Notes()
    let (gate, opening) = AsyncStream.makeStream(of: Void.self)
    let holding = HoldingFirst(isHeld: LockedBox(false), gate: gate)
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.attemptInterceptors = [holding]
    let channel = try Channel(address.target, options: options)
    let call = Task { try await channel.unary(RawEcho.unary, [1], options: NotingStage.limit) }
    try await eventually("the attempt is held") { holding.isHeld.get() }
    server.shutDown()
    try await eventually("its connection is lost") { channel.state != .ready }
    opening.finish()
    let error = await #expect(throws: StatusError.self) { try await call.value }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("\(address)") == true, "\(error?.message ?? "")")
    try await eventually("all picks have heard") { notes.ends.count == notes.picks }
    #expect(notes.ends.allSatisfy { !$0.wasSent } && !notes.calledTwice)
  }
}
