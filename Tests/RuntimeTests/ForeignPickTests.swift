import TestSupport
import Testing
import Volery

@Suite("Picks of another channel's servers", .timeLimit(.minutes(1))) struct ForeignPickTests {
  @Test("a picker that names another channel's subchannel ends its call, not the channel") func foreign() async throws {
    struct Borrowing: LoadBalancingPolicy, LoadBalancingPolicyFactory {
      let name = "borrowing"
      let subchannel: @Sendable () -> Subchannel?
      func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        if let subchannel = subchannel() { effects.publish(.ready, SinglePicker(subchannel: subchannel)) }
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {}
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }
    struct Lending: LoadBalancingPolicy, LoadBalancingPolicyFactory {
      let name = "lending"
      let lend: @Sendable (Subchannel) -> Void
      func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        lend(effects.subchannel(for: endpoints[0]))
        return true
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {}
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
    }
    let lent = LockedBox<Subchannel?>(nil)
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Lending { made in lent.set(made) })
    options.loadBalancingPolicies.register(Borrowing { lent.get() })
    options.loadBalancingPolicy = "lending"
    let lender = try Channel("static:///127.0.0.1:1", options: options)
    lender.connect()
    try await eventually("it is made") { lent.get() != nil }
    options.loadBalancingPolicy = "borrowing"
    let channel = try Channel("static:///127.0.0.1:1", options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: NotingStage.limit)
    }
    #expect(error?.code == .internal)
    let text = "the load balancing policy \"borrowing\" picks a server that is not of this channel: 127.0.0.1:1"
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    lender.close()
  }

  /// Picks its one server, or what it is given instead.
  struct Single: LoadBalancingPolicy, LoadBalancingPolicyFactory {
    let name = "single"
    var made: @Sendable (Subchannel) -> Void = { _ in }
    var instead: @Sendable () -> Subchannel? = { nil }
    private var own: Subchannel?

    init(made: @escaping @Sendable (Subchannel) -> Void) { self.made = made }
    init(instead: @escaping @Sendable () -> Subchannel?) { self.instead = instead }

    func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }
    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      guard own == nil else { return true }
      let own = effects.subchannel(for: endpoints[0])
      self.own = own
      made(own)
      effects.connect(own.id)
      effects.publish(.connecting, QueueingPicker())
      return true
    }
    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      if state == .ready, let own { effects.publish(.ready, SinglePicker(subchannel: instead() ?? own)) }
    }
    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
  }

  @Test("a picker that names another channel's subchannel is found out, though it has one of its own that is ready")
  func foreignBesideOwn() async throws {
    let (server, address) = try NotingStage.start()
    defer { server.shutDown() }
    let lent = LockedBox<Subchannel?>(nil)
    var options = ChannelOptions()
    options.loadBalancingPolicy = "single"
    options.loadBalancingPolicies.register(Single(made: { lent.set($0) }))
    let lender = try Channel(address.target, options: options)
    #expect(try await lender.unary(RawEcho.unary, [1], options: NotingStage.limit).message == [1])
    options.loadBalancingPolicies.register(Single(instead: { lent.get() }))
    let channel = try Channel(address.target, options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: NotingStage.limit)
    }
    #expect(error?.code == .internal)
    let text = "the load balancing policy \"single\" picks a server that is not of this channel: \(address)"
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    lender.close()
  }
}
