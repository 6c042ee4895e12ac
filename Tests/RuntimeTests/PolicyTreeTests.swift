import Synchronization
import TestSupport
import Testing
import Volery

/// What a policy below another one does wrong, or wants, over real sockets.
@Suite("Policies below a channel's policy", .timeLimit(.minutes(1))) struct PolicyTreeTests {
  struct ParentFactory: LoadBalancingPolicyFactory {
    var name = "parent"

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      let policy = try context.registry.makeChild(configuration["childPolicy"], of: name, context: context)
      return Parent(child: ChildPolicy(policy, name: "kid of \(name)"))
    }
  }

  /// Has nothing to add to its one child, which its configuration names.
  struct Parent: LoadBalancingPolicy {
    var child: ChildPolicy

    private mutating func ask<Result>(
      _ effects: inout PolicyEffects, _ body: (inout ChildPolicy, inout PolicyEffects) -> Result
    ) -> Result {
      defer { child.passOn(&effects) }
      return body(&child, &effects)
    }

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      ask(&effects) { $0.update(endpoints, &$1) }
    }
    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      _ = ask(&effects) { $0.subchannelChanged(id, to: state, error: error, &$1) }
    }
    mutating func childTimerFired(_ timer: PolicyTimer, _ effects: inout PolicyEffects) {
      _ = ask(&effects) { $0.timerFired(timer, &$1) }
    }
    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
      ask(&effects) { $0.resolverFailed(error, &$1) }
    }
  }

  private static let limit = CallOptions(timeout: .seconds(20))

  private func channel(
    to address: SocketAddress, _ child: String, config: String = "", log: LogRecorder? = nil,
    fault: BadPolicyTests.Fault = .nonsense
  ) throws -> Channel {
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(ParentFactory())
    options.loadBalancingPolicies.register(ParentFactory(name: "grandparent"))
    options.loadBalancingPolicies.register(BadPolicyTests.BadPolicy(fault: fault))
    options.serviceConfig = try ServiceConfig(
      json: "{\"loadBalancingConfig\": [{\"parent\": {\"childPolicy\": [\(child)]}}]\(config)}")
    if let log { options.logger = log.logger }
    return try Channel(address.target, options: options)
  }

  private func start(_ more: [any Service] = []) throws -> (Server, SocketAddress) {
    let services: [any Service] = [RawEcho()]
    let server = Server(services: services + more)
    return (server, try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])
  }

  @Test("a child that talks nonsense costs nothing: calls are answered, and the log names it") func nonsense()
    async throws
  {
    let (server, address) = try start()
    defer { server.shutDown() }
    let log = LogRecorder()
    let channel = try channel(to: address, "{\"bad\": {}}", log: log)
    #expect(try await channel.unary(RawEcho.unary, [1], options: Self.limit).message == [1])
    let line = try await log.line(containing: "gives up the subchannel 4711")
    #expect(line.contains("kid of parent gives up the subchannel 4711, which is not its own"))
    #expect(line.contains("policy: parent"))
    #expect(log.lines.contains { $0.contains("kid of parent connects the subchannel -1, which is not its own") })
  }

  @Test("a child that picks what it has given up ends the call with INTERNAL, and with its name") func givenUp()
    async throws
  {
    let (server, address) = try start()
    defer { server.shutDown() }
    let channel = try channel(to: address, "{\"bad\": {}}", fault: .picksForeign)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .internal)
    let text = """
      the load balancing policy "parent" picks a server that its child "kid of parent" has given up: \(address)
      """
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    let deeper = try self.channel(
      to: address, "{\"grandparent\": {\"childPolicy\": [{\"bad\": {}}]}}", fault: .picksForeign)
    let deep = await #expect(throws: StatusError.self) {
      try await deeper.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(deep?.message.contains("its child \"kid of parent/kid of grandparent\" has given up") == true)
  }

  @Test("a child that says nothing ends the call at its deadline, and the text and the log say so") func silent()
    async throws
  {
    let (server, address) = try start()
    defer { server.shutDown() }
    let log = LogRecorder()
    let channel = try channel(to: address, "{\"bad\": {}}", log: log, fault: .silent)
    try await givenTime("the policy is there") { time in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(RawEcho.unary, [1], options: CallOptions(timeout: time))
      }
      #expect(error?.code == .deadlineExceeded)
      return error?.message.contains("the load balancing policy \"parent\" has published no picker") == true
    }
    #expect(log.lines.count { $0.contains("it has published no picker") } == 1)
  }

  @Test("a child that says a code of the application's ends the call with INTERNAL, and the text says who said it")
  func strangeCode() async throws {
    let (server, address) = try start()
    defer { server.shutDown() }
    let channel = try channel(to: address, "{\"bad\": {}}", fault: .strangeCode)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .internal)
    #expect(error?.message.contains("the load balancing policy said NOT_FOUND: no such thing") == true)
  }

  /// The server does not know the service that is asked for.
  @Test("each child has its own say about health checks") func health() async throws {
    let (server, address) = try start([Health()])
    defer { server.shutDown() }
    let config = ", \"healthCheckConfig\": {\"serviceName\": \"demo\"}"
    let asking = try channel(to: address, "{\"round_robin\": {}}", config: config)
    let error = await #expect(throws: StatusError.self) {
      try await asking.unary(RawEcho.unary, [1], options: Self.limit)
    }
    #expect(error?.code == .unavailable && error?.message.contains("\"demo\"") == true, "\(error?.message ?? "")")
    let notAsking = try channel(to: address, "{\"pick_first\": {}}", config: config)
    #expect(try await notAsking.unary(RawEcho.unary, [1], options: Self.limit).message == [1])
  }
}
