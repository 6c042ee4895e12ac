import TestSupport
import Testing
import Volery

/// What a channel's config selector gives its calls, over real sockets.
@Suite("Selected configurations", .timeLimit(.minutes(1))) struct SelectedConfigurationTests {
  final class Routes: ConfigSelector {
    let committed = LockedBox(0)
    let asked = LockedBox(0)
    func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration {
      asked.set(asked.get() + 1)
      switch call.metadata["x-route"] {
      case "nowhere": throw StatusError(.unavailable, "no route for \(call.method.path)")
      case "odd": throw StatusError(.notFound, "no route")
      case "short":
        var config = MethodConfig()
        config.timeout = .milliseconds(50)
        return CallConfiguration(methodConfig: config)
      default: break
      }
      var chosen = CallConfiguration()
      chosen.hash = 42
      chosen.attributes.cluster = "blue"
      chosen.metadata = call.metadata
      chosen.metadata?.append("selector", for: "x-in")
      chosen.committed = { [committed] in committed.set(committed.get() + 1) }
      return chosen
    }
  }

  private func routed(_ routes: Routes, _ notes: Notes) throws -> (Server, Channel, ManualResolver, Resolution) {
    let (server, address) = try NotingStage.start()
    let resolver = ManualResolver(scheme: "routed")
    var resolution = Resolution(endpoints: [Endpoint(address)])
    resolution.attributes.configSelector = routes
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    return (server, try Channel("routed:///orders", options: options), resolver, resolution)
  }

  @Test("a selector gives each call its hash, cluster, metadata and timeout, is asked once, and hears of its commit")
  func selected() async throws {
    let (routes, notes) = (Routes(), Notes())
    let (server, channel, resolver, resolution) = try routed(routes, notes)
    defer { server.shutDown() }
    // This one comes before the resolver has said anything, and is asked for all the same.
    async let early = channel.unary(Reporting.call, [], options: NotingStage.limit)
    try await eventually("the channel has woken") { channel.state == .connecting }
    resolver.publish(.resolved(resolution))
    #expect(try await early.message == Array("selector".utf8))
    try await eventually("commit") { routes.committed.get() == 1 }
    let call = try await channel.unary(Reporting.call, [], options: NotingStage.limit)
    #expect(call.message == Array("selector".utf8))
    try await eventually("commit") { routes.committed.get() == 2 }
    #expect(routes.asked.get() == 2)
    #expect(notes.requests.allSatisfy { $0.hash == 42 && $0.attributes.cluster == "blue" })

    // Long before the call's own deadline.
    let started = ContinuousClock.now
    let late = await #expect(throws: StatusError.self) {
      try await channel.unary(
        RawEcho.hang, [1], options: CallOptions(metadata: ["x-route": "short"], timeout: .seconds(40)))
    }
    #expect(late?.code == .deadlineExceeded)
    #expect(started.duration(to: .now) < .seconds(20))
  }

  @Test("what a selector throws ends the call, and is INTERNAL where only an application may say it") func refused()
    async throws
  {
    let (routes, notes) = (Routes(), Notes())
    let (server, channel, resolver, resolution) = try routed(routes, notes)
    defer { server.shutDown() }
    resolver.publish(.resolved(resolution))
    try await channel.waitUntilReady(.after(.seconds(20)))
    var options = NotingStage.limit
    options.metadata = ["x-route": "nowhere"]
    let refused = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: options)
    }
    #expect(refused?.code == .unavailable && refused?.message.contains("no route for /test.Raw/Unary") == true)
    options.metadata = ["x-route": "odd"]
    let odd = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: options)
    }
    #expect(odd?.code == .internal && odd?.message.contains("the config selector said NOT_FOUND") == true)
    // The next answer has none: the service config holds again.
    resolver.publish(.resolved(Resolution(endpoints: resolution.endpoints)))
    try await eventually("the selector is gone") {
      (try? await channel.unary(RawEcho.unary, [1], options: options).message) == [1]
    }
  }
}
