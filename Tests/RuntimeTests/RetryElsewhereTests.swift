import Synchronization
import TestSupport
import Testing
import Volery

/// Where the attempts of a call go after the first one.
@Suite("Retries go elsewhere", .timeLimit(.minutes(1))) struct RetryElsewhereTests {
  /// Picks each ready server three times in a row.
  struct StickyPolicy: LoadBalancingPolicy {
    let picked: Picked
    private var ready: [Int: Subchannel] = [:]
    private var all: [Int: Subchannel] = [:]

    init(picked: Picked) { self.picked = picked }

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      guard all.isEmpty else { return true }
      for endpoint in endpoints {
        let subchannel = effects.subchannel(for: endpoint)
        all[subchannel.id] = subchannel
        effects.connect(subchannel.id)
      }
      effects.publish(.connecting, QueueingPicker())
      return true
    }

    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      ready[id] = state == .ready ? all[id] : nil
      guard ready.count == all.count else { return }
      picked.reset(ready.sorted { $0.key < $1.key }.map(\.value))
      effects.publish(.ready, picked)
    }

    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}
  }

  final class Picked: Picker {
    private struct State {
      var subchannels: [Subchannel] = []
      var count = 0
    }
    private let state = Mutex(State())

    func reset(_ subchannels: [Subchannel]) { state.withLock { $0 = State(subchannels: subchannels) } }

    func pick(for call: PickRequest) -> PickResult {
      state.withLock { state in
        defer { state.count += 1 }
        return .pick(state.subchannels[state.count / 3 % state.subchannels.count])
      }
    }

    var count: Int { state.withLock { $0.count } }
    var outstandingCalls: [Int] { state.withLock { $0.subchannels.map(\.outstandingCalls) } }
  }

  struct Factory: LoadBalancingPolicyFactory {
    let name = "sticky"
    let picked: Picked
    func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy {
      StickyPolicy(picked: picked)
    }
  }

  private struct Stage {
    let servers: [Server]
    let addresses: [SocketAddress]
    let channel: Channel
    let picked = Picked()

    init(_ services: [RetryTests.Flaky], attempts: Int) throws {
      servers = services.map { Server(services: [$0]) }
      addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
      var options = ChannelOptions()
      options.loadBalancingPolicies.register(Factory(picked: picked))
      options.loadBalancingPolicy = "sticky"
      options.serviceConfig = try ServiceConfig(
        json: """
          {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": \(attempts), "initialBackoff": "0.01s",
           "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
          """)
      channel = try Channel("static:///\(addresses.map { "\($0)" }.joined(separator: ","))", options: options)
    }

    func call() async throws(StatusError) {
      _ = try await channel.unary(RetryTests.Flaky.method, [33], options: CallOptions(timeout: .seconds(20)))
    }

    func shutDown() { for server in servers { server.shutDown() } }
  }

  @Test("a call that one server has failed is tried on another one, though the policy would stay") func another()
    async throws
  {
    let services = [RetryTests.Flaky(failures: .max), RetryTests.Flaky(failures: 0)]
    let stage = try Stage(services, attempts: 2)
    defer { stage.shutDown() }
    try await stage.call()
    #expect(services.map(\.attempts.value) == [1, 1])
    #expect(stage.picked.count == 4, "the first server, twice in vain, then the second")
    #expect(stage.picked.outstandingCalls == [0, 0], "what was picked in vain counts no more")
  }

  @Test("of three servers, each is tried once") func each() async throws {
    let services = [RetryTests.Flaky(failures: .max), RetryTests.Flaky(failures: .max), RetryTests.Flaky(failures: 0)]
    let stage = try Stage(services, attempts: 3)
    defer { stage.shutDown() }
    try await stage.call()
    #expect(services.map(\.attempts.value) == [1, 1, 1])
    #expect(stage.picked.outstandingCalls == [0, 0, 0])
  }

  @Test("the error of a call that failed everywhere says which server was the last") func lastPeer() async throws {
    let stage = try Stage([RetryTests.Flaky(failures: .max), RetryTests.Flaky(failures: .max)], attempts: 2)
    defer { stage.shutDown() }
    let error = await #expect(throws: StatusError.self) { try await stage.call() }
    #expect(error?.message == "not yet")
    #expect(error?.peer?.address == stage.addresses[1])
  }

  @Test("an error before any connection names no server") func noPeer() async throws {
    let channel = try Channel("static:///127.0.0.1:1")
    let error = await #expect(throws: StatusError.self) { try await channel.unary(RetryTests.Flaky.method, [33]) }
    #expect(error?.peer == nil)
  }

  @Test("the only server is tried again") func only() async throws {
    let services = [RetryTests.Flaky(failures: 2)]
    let stage = try Stage(services, attempts: 3)
    defer { stage.shutDown() }
    try await stage.call()
    #expect(services.map(\.attempts.value) == [3])
    #expect(stage.picked.outstandingCalls == [0])
  }

  @Test("a channel that ejects no servers goes on calling one that fails", arguments: [true, false])
  func ejectsFailingServers(_ isOn: Bool) async throws {
    let services = [RetryTests.Flaky(failures: .max), RetryTests.Flaky(failures: 0), RetryTests.Flaky(failures: 0)]
    let servers = services.map { Server(services: [$0]) }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
    var options = ChannelOptions()
    options.loadBalancingPolicy = "round_robin"
    options.ejectsFailingServers = isOn
    let channel = try Channel("static:///\(addresses.map { "\($0)" }.joined(separator: ","))", options: options)
    /// How many of these calls fail, and in the right way.
    func failures(of calls: Int) async throws -> Int {
      var count = 0
      for _ in 0..<calls {
        do { _ = try await channel.unary(RetryTests.Flaky.method, [33]) } catch {
          #expect(error.code == .unavailable, "\(error)")
          count += 1
        }
      }
      return count
    }
    // Until all three are ready, and the fourth round begins.
    try await eventually("each was called three times") {
      _ = try await failures(of: 1)
      return services.map(\.attempts.value).min()! >= 3
    }
    let before = services[0].attempts.value
    let ended = try await failures(of: 90)
    let failed = services[0].attempts.value - before
    #expect(ended == failed, "a call fails where the server failed it, and nowhere else")
    if isOn {
      #expect(failed <= 5, "and a probe, if the machine is slow")
    } else {
      #expect(failed >= 29)
    }
  }
}
