import Synchronization
import TestSupport
import Testing
import Volery

/// A resolver and a policy of a user's own, by the public contracts alone.
@Suite("What a user may bring", .timeLimit(.minutes(1))) struct CustomPolicyTests {
  /// Prefers the first endpoint's connection and counts how calls end.
  struct CountingPolicy: LoadBalancingPolicy {
    let ended: Ended
    private var subchannels: [Int: Subchannel] = [:]

    init(ended: Ended) { self.ended = ended }

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      for endpoint in endpoints {
        let subchannel = effects.subchannel(for: endpoint)
        subchannels[subchannel.id] = subchannel
        effects.connect(subchannel.id)
      }
      effects.publish(.connecting, QueueingPicker())
      return !endpoints.isEmpty
    }

    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      guard let subchannel = subchannels[id], state == .ready else { return }
      effects.publish(.ready, SinglePicker(subchannel: subchannel))
    }

    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    mutating func callsEnded(_ calls: [CallReport], _ effects: inout PolicyEffects) { ended.add(calls.count) }
    var observesCalls: Bool { true }
  }

  final class Ended: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add(_ number: Int) { count.withLock { $0 += number } }
  }

  struct Factory: LoadBalancingPolicyFactory {
    let name = "counting"
    let ended: Ended
    func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy {
      CountingPolicy(ended: ended)
    }
  }

  @Test("a policy of the user's own is used, and hears how calls end") func policy() async throws {
    let server = Server(services: [RawEcho()])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let ended = Ended()
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Factory(ended: ended))
    options.loadBalancingPolicy = "counting"
    let channel = try Channel(address.target, options: options)
    for _ in 0..<10 { _ = try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .seconds(10))) }
    try await eventually("the policy has heard of all calls") { ended.value == 10 }
  }

  @Test("endpoints that are pushed are used, replaced and taken back") func manualResolver() async throws {
    let first = Server(services: [RawEcho()])
    let second = Server(services: [RawEcho()])
    let addresses = try [first, second].map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
    defer {
      first.shutDown()
      second.shutDown()
    }
    let resolver = ManualResolver(scheme: "registry")
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    let channel = try Channel("registry:///orders", options: options)
    let callOptions = CallOptions(timeout: .seconds(10))
    for address in addresses {
      resolver.publish(.resolved(Resolution(endpoints: [Endpoint(address)])))
      while true {
        let response = try await channel.unary(RawEcho.unary, [1], options: callOptions)
        if response.peer?.address == address { break }
      }
    }
    resolver.publish(.failed(StatusError(.unavailable, "the registry is down")))
    _ = try await channel.unary(RawEcho.unary, [1], options: callOptions)
  }

  @Test("a resolver that throws at once does not kill the channel") func throwingResolver() async throws {
    final class Broken: Resolver, ResolverFactory {
      let scheme = "broken"
      func makeResolver(for target: Target) -> any Resolver { self }
      func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
        throw StatusError(.internal, "the registry has no such name")
      }
      func resolveNow(_ cause: ResolveCause) {}
    }
    var options = ChannelOptions()
    options.resolvers.register(Broken())
    let channel = try Channel("broken:///x", options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [], options: CallOptions(timeout: .seconds(10)))
    }
    #expect(error?.message.contains("the registry has no such name") == true)
  }

  @Test("a resolver of the user's own hears what the channel's options say to resolvers") func settings() async throws {
    struct Polling: ResolverFactory {
      let scheme = "polling"
      var settings = ResolverSettings()
      let inner = ManualResolver(scheme: "polling")
      func makeResolver(for target: Target) throws -> any Resolver {
        inner.publish(.failed(StatusError(.unavailable, "\(settings)")))
        return inner
      }
      func adopting(_ settings: ResolverSettings) -> any ResolverFactory {
        var adopted = self
        adopted.settings = settings
        return adopted
      }
    }
    var options = ChannelOptions()
    options.resolvers.register(Polling())
    options.refreshInterval = .seconds(7)
    options.readsServiceConfigFromDNS = true
    let channel = try Channel("polling:///x", options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [], options: CallOptions(timeout: .seconds(10)))
    }
    let settings = ResolverSettings(refreshInterval: .seconds(7), readsServiceConfigFromDNS: true)
    #expect(error?.message.contains("\(settings)") == true)
  }
}
