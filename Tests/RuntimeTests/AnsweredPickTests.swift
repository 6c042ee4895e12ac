import TestSupport
import Testing
import Volery

/// What a picker adds to what the server says first (`Pick.answered`), over real connections.
@Suite("Picks that add to an answer", .timeLimit(.minutes(1))) struct AnsweredPickTests {
  /// Wraps `round_robin`, once all servers are connected: each answer says which subchannel it has come from.
  private struct Greeting: LoadBalancingPolicyFactory {
    let name = "greeting"

    func makePolicy(configuration: JSONValue, context: PolicyContext) throws -> any LoadBalancingPolicy {
      let list = try JSONValue(parsing: "[{\"round_robin\": {}}]")
      return Policy(child: ChildPolicy(try context.registry.makeChild(list, of: name, context: context), name: "child"))
    }

    struct Policy: LoadBalancingPolicy {
      var child: ChildPolicy
      private var ready: Set<Int> = []
      private var endpointCount = 0

      init(child: ChildPolicy) { self.child = child }

      mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
        endpointCount = endpoints.count
        defer { publish(&effects) }
        return child.update(endpoints, &effects)
      }
      mutating func subchannelChanged(
        _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
      ) {
        if state == .ready { ready.insert(id) }
        child.subchannelChanged(id, to: state, error: error, &effects)
        publish(&effects)
      }
      mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {
        child.resolverFailed(error, &effects)
        publish(&effects)
      }
      private mutating func publish(_ effects: inout PolicyEffects) {
        if ready.count >= endpointCount, child.takeNews() { effects.publish(child.state, GreetingPicker(inner: child.picker)) }
      }
    }
  }

  private struct GreetingPicker: Picker {
    let inner: any Picker

    func pick(for call: PickRequest) -> PickResult {
      let result = inner.pick(for: call)
      guard let subchannel = result.subchannel else { return result }
      var pick = Pick(subchannel)
      pick.answered = { $0.append("\(subchannel.endpoint)", for: "x-from") }
      return .attempt(pick)
    }
  }

  private static func options(_ config: String = "{}") throws -> ChannelOptions {
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Greeting())
    options.loadBalancingPolicy = "greeting"
    options.serviceConfig = try ServiceConfig(json: config)
    return options
  }

  @Test("all kinds of calls have it once, beside what the server has sent; a bare status has it in its metadata")
  func kinds() async throws {
    let (server, address) = try NotingStage.start()
    defer { server.shutDown() }
    let channel = try Channel(address.target, options: try Self.options())
    defer { channel.close() }
    let limit = NotingStage.limit
    let own = ["\(address)"]
    var metadata = limit
    metadata.metadata = ["x-in": "hello"]
    let response = try await channel.unary(RawEcho.metadata, [], options: metadata)
    #expect(response.initialMetadata.values("x-from") == own)
    #expect(response.initialMetadata["x-initial"] == "hello")
    #expect(response.trailingMetadata["x-from"] == nil)

    let download = channel.serverStreaming(RawEcho.download, [2], options: limit)
    #expect(try await download.initialMetadata.values("x-from") == own)
    for try await _ in download {}

    let upload = channel.clientStreaming(RawEcho.upload, options: limit)
    try await upload.send([1])
    upload.finish()
    #expect(try await upload.initialMetadata.values("x-from") == own)
    _ = try await upload.response

    let chat = channel.bidirectional(RawEcho.chat, options: limit)
    try await chat.send([1])
    #expect(try await chat.initialMetadata.values("x-from") == own)
    chat.finish()
    #expect(await chat.status.code == .ok)
    #expect(await chat.trailingMetadata["x-from"] == nil)

    let error = await #expect(throws: StatusError.self) { try await channel.unary(RawEcho.fail, [65], options: limit) }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.metadata.values("x-from") == own)
    #expect(error?.metadata["reason"] == "asked")
  }

  @Test("of several attempts that counts which the caller gets", arguments: ["retryPolicy", "hedgingPolicy"])
  func attempts(_ policy: String) async throws {
    /// Fails but on the last server.
    struct Picky: Service {
      let isGood: Bool
      var handlers: [MethodHandler] {
        [
          .unary(RawEcho.unary) { request, _ in
            guard isGood else { throw StatusError(.unavailable, "not here") }
            return request
          }
        ]
      }
    }
    let servers = (0..<3).map { number in Server(services: [Picky(isGood: number == 2)]) }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { try $0.start(listeningOn: .tcp("127.0.0.1", 0))[0] }
    let settings =
      policy == "retryPolicy"
      ? """
      "maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1, \
      "retryableStatusCodes": ["UNAVAILABLE"]
      """ : "\"maxAttempts\": 5, \"hedgingDelay\": \"0.01s\", \"nonFatalStatusCodes\": [\"UNAVAILABLE\"]"
    let options = try Self.options("{\"methodConfig\": [{\"name\": [{}], \"\(policy)\": {\(settings)}}]}")
    let target = "static:///\(addresses.map { "\($0)" }.joined(separator: ","))"
    let channel = try Channel(target, options: options)
    defer { channel.close() }
    var calls = NotingStage.limit
    calls.waitForReady = true
    for _ in 0..<6 {
      let response = try await channel.unary(RawEcho.unary, [7], options: calls)
      #expect(response.initialMetadata.values("x-from") == ["\(addresses[2])"])
    }
  }
}
