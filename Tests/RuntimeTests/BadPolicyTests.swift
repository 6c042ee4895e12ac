import Synchronization
import TestSupport
import Testing
import Volery

/// Policies and pickers of a user's own that break the contract cost their channel's calls an answer, and nothing else.
@Suite("Policies that misbehave", .timeLimit(.minutes(1))) struct BadPolicyTests {
  enum Fault: String, CaseIterable, Sendable {
    /// No picker at all.
    case silent
    /// Ids that there are not, subchannels given up twice, timers in the past, a state that only the channel has.
    case nonsense
    /// A subchannel that was never told to connect.
    case picksIdle
    /// A subchannel of a policy that is gone.
    case picksForeign
    /// Ready, and fails every call with a code that is the application's.
    case strangeCode
    /// Holds up the channel's control plane for a while.
    case blocks
    /// Publishes a thousand pickers at once.
    case floods
  }

  struct BadPolicy: LoadBalancingPolicy, LoadBalancingPolicyFactory {
    let fault: Fault
    var name: String { "bad" }
    var subchannel: Subchannel?

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      if case .string(let text)? = configuration["throw"] { throw PolicyConfigurationError(text) }
      return self
    }

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      switch fault {
      case .silent: return true
      case .nonsense:
        effects.connect(-1)
        effects.remove(4711)
        effects.cancelTimer(token: 3)
        effects.startTimer(token: 3, after: .seconds(-5))
        effects.publish(.shutdown, QueueingPicker())
        let first = effects.subchannel(for: Endpoint([]))
        effects.connect(first.id)
        effects.remove(first.id)
        effects.remove(first.id)
        effects.resolveNow()
      case .blocks:
        let end = ContinuousClock.now.advanced(by: .milliseconds(300))
        while ContinuousClock.now < end {}
      case .picksIdle, .picksForeign, .strangeCode, .floods: break
      }
      guard subchannel == nil, let endpoint = endpoints.first else { return true }
      let made = effects.subchannel(for: endpoint)
      subchannel = made
      switch fault {
      case .picksIdle:
        effects.publish(.ready, SinglePicker(subchannel: made))
      case .picksForeign:
        effects.remove(made.id)
        effects.publish(.ready, SinglePicker(subchannel: made))
      case .strangeCode: effects.publish(.ready, FailingPicker(error: StatusError(.notFound, "no such thing")))
      default: effects.connect(made.id)
      }
      return true
    }

    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      guard let subchannel, state == .ready else { return }
      for _ in 0..<(fault == .floods ? 1000 : 1) { effects.publish(.ready, SinglePicker(subchannel: subchannel)) }
    }

    mutating func timerFired(_ token: Int, _ effects: inout PolicyEffects) { effects.cancelTimer(token: token) }
    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
  }

  @Test("whatever a policy does, the next one makes calls work", arguments: Fault.allCases)
  func recovers(_ fault: Fault) async throws {
    let server = Server(services: [RawEcho()])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let resolver = ManualResolver(scheme: "registry")
    func publish(_ config: String) {
      resolver.publish(.resolved(Resolution(endpoints: [Endpoint(address)], serviceConfigJSON: config)))
    }
    publish("{\"loadBalancingConfig\": [{\"bad\": {}}]}")
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicies.register(BadPolicy(fault: fault))
    let channel = try Channel("registry:///orders", options: options)
    let words: String? =
      switch fault {
      case .nonsense, .picksIdle, .blocks, .floods: nil
      case .silent: "the load balancing policy \"bad\" has published no picker"
      case .picksForeign: "the load balancing policy \"bad\" picks a server that it has given up"
      case .strangeCode: "the load balancing policy said NOT_FOUND: no such thing"
      }
    // Only one that says nothing is heard of at the deadline; the others are found out at once.
    try await givenTime("the policy is there", from: fault == .silent ? .milliseconds(200) : .seconds(14)) { time in
      do throws(StatusError) {
        _ = try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: time))
        #expect(words == nil, "\(fault)")
        return true
      } catch {
        #expect(error.code == (fault == .silent ? .deadlineExceeded : .internal), "\(fault): \(error)")
        #expect(error.message.contains("registry:///orders"), "the text names the target")
        return words.map(error.message.contains) ?? false
      }
    }
    // One that can't be made is refused, and says why; the one that holds goes on.
    publish("{\"loadBalancingConfig\": [{\"bad\": {\"throw\": \"no\"}}]}")
    publish("{\"loadBalancingConfig\": [{\"round_robin\": {}}]}")
    try await eventually("calls work") {
      do throws(StatusError) {
        return try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: .milliseconds(200))).message
          == [1]
      } catch {
        #expect([.deadlineExceeded, .internal].contains(error.code), "\(error)")
        return false
      }
    }
  }
}
