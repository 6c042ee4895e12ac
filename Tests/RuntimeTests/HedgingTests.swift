import Synchronization
import TestSupport
import Testing
import Volery

@Suite("Hedging (gRFC A6)", .timeLimit(.minutes(1))) struct HedgingTests {
  static let timely = CallOptions(timeout: .seconds(20))

  /// Servers that count what comes, and answer as they are told, with their number.
  final class Pod: Service {
    enum Conduct: Sendable {
      case answers
      /// Until the call is cancelled.
      case hangs
      case fails(StatusCode, pushback: String? = nil)
    }

    static let unary = Method<[UInt8], [UInt8]>(service: "test.Hedged", name: "Unary", kind: .unary)
    static let chat = Method<[UInt8], [UInt8]>(service: "test.Hedged", name: "Chat", kind: .bidirectional)

    private struct State {
      var conduct: Conduct
      var calls: [String] = []
      var cancelled = 0
    }

    let number: UInt8
    /// What has been called before this one answers or fails.
    private let predecessor: Pod?
    private let state: Mutex<State>

    init(_ number: UInt8, _ conduct: Conduct, after predecessor: Pod? = nil) {
      self.number = number
      self.predecessor = predecessor
      state = Mutex(State(conduct: conduct))
    }

    /// Of each call: the attempts that the client says it has made before.
    var calls: [String] { state.withLock { $0.calls } }
    var cancelled: Int { state.withLock { $0.cancelled } }

    var handlers: [MethodHandler] {
      [
        .unary(Pod.unary) { [self] request, context in
          try await behave(context)
          return [number] + request
        },
        .bidirectional(Pod.chat) { [self] requests, writer, context in
          try await behave(context)
          for try await request in requests { try await writer.write([number] + request) }
        },
      ]
    }

    private func behave(_ context: ServerContext) async throws {
      let conduct = state.withLock { state in
        state.calls.append(context.metadata["grpc-previous-rpc-attempts"] ?? "0")
        return state.conduct
      }
      if case .hangs = conduct {
      } else if let predecessor {
        try await eventually("pod \(predecessor.number) is called") { !predecessor.calls.isEmpty }
      }
      switch conduct {
      case .answers: return
      case .fails(let code, let pushback):
        if let pushback { context.trailingMetadata = ["grpc-retry-pushback-ms": pushback] }
        throw StatusError(code, "not this one")
      case .hangs:
        try? await Task.sleep(for: .seconds(60))
        state.withLock { $0.cancelled += 1 }
        throw CancellationError()
      }
    }
  }

  /// Calls go to the pods in their order: round_robin over one subchannel each would start at random.
  struct InOrder: LoadBalancingPolicy, LoadBalancingPolicyFactory, Picker {
    final class Turn: Sendable {
      private let count = Mutex(0)
      func next() -> Int {
        count.withLock { count in
          defer { count += 1 }
          return count
        }
      }
    }

    let name = "in_order"
    var subchannels: [Subchannel] = []
    var ready: Set<Int> = []
    let turn = Turn()

    func makePolicy(configuration: JSONValue, context: PolicyContext) -> any LoadBalancingPolicy { self }

    mutating func update(_ endpoints: [Endpoint], _ effects: inout PolicyEffects) -> Bool {
      guard subchannels.isEmpty else { return true }
      subchannels = endpoints.map { effects.subchannel(for: $0) }
      for subchannel in subchannels { effects.connect(subchannel.id) }
      effects.publish(.connecting, QueueingPicker())
      return true
    }

    mutating func subchannelChanged(
      _ id: Int, to state: ConnectivityState, error: StatusError?, _ effects: inout PolicyEffects
    ) {
      if state == .ready { ready.insert(id) }
      if ready.count == subchannels.count { effects.publish(.ready, self) }
    }

    mutating func resolverFailed(_ error: StatusError, _ effects: inout PolicyEffects) {}

    func pick(for call: PickRequest) -> PickResult { .pick(subchannels[turn.next() % subchannels.count]) }
  }

  private func answer(_ channel: Channel) async throws -> [UInt8] {
    try await channel.unary(Pod.unary, [7], options: Self.timely).message
  }

  private func next(_ iterator: inout ResponseIterator<[UInt8]>) async throws -> [UInt8]? { try await iterator.next() }

  static func config(delay: String, attempts: Int = 3, more: String = "") -> String {
    """
    {"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": \(attempts), "hedgingDelay": "\(delay)",
     "nonFatalStatusCodes": ["UNAVAILABLE"]}}]\(more)}
    """
  }

  /// - Parameter inTurn: Each pod answers, or fails, only when the one before it has been called.
  func withPods<Result>(
    _ conducts: [Pod.Conduct], config: String, inTurn: Bool = false, _ body: (Channel, [Pod]) async throws -> Result
  ) async throws -> Result {
    var pods: [Pod] = []
    for (number, conduct) in conducts.enumerated() {
      pods.append(Pod(UInt8(number), conduct, after: inTurn ? pods.last : nil))
    }
    let servers = pods.map { Server(services: [$0]) }
    let addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
    defer { for server in servers { server.shutDown() } }
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: config)
    options.loadBalancingPolicies.register(InOrder())
    options.loadBalancingPolicy = "in_order"
    let list = addresses.map { "\($0)" }.joined(separator: ",")
    return try await body(try Channel("static:///\(list)", options: options), pods)
  }

  @Test("a server that hangs costs its hedging delay, and hears that it is not needed") func hung() async throws {
    try await withPods([.hangs, .answers], config: Self.config(delay: "0.05s"), inTurn: true) { channel, pods in
      let started = ContinuousClock.now
      let answer = try await answer(channel)
      #expect(answer == [1, 7])
      #expect(started.duration(to: .now) >= .milliseconds(50))
      #expect(pods[1].calls == ["1"], "it was told of the attempt before it")
      try await eventually("the first one hears of it") { pods[0].cancelled == 1 }
    }
  }

  @Test("without a delay every attempt begins at once, and never more than allowed") func atOnce() async throws {
    try await withPods([.hangs, .hangs, .answers, .answers], config: Self.config(delay: "0s")) { channel, pods in
      let answer = try await answer(channel)
      #expect(answer == [2, 7])
      #expect(pods[3].calls.isEmpty)
    }
  }

  @Test("an answer before the delay is over is the only attempt") func quick() async throws {
    try await withPods([.answers, .answers], config: Self.config(delay: "60s")) { channel, pods in
      let answer = try await answer(channel)
      #expect(answer == [0, 7])
      #expect(pods[1].calls.isEmpty)
    }
  }

  @Test("a failure that is not fatal brings the next attempt forward") func nonFatal() async throws {
    try await withPods([.fails(.unavailable), .answers], config: Self.config(delay: "30s")) { channel, pods in
      let answer = try await answer(channel)
      #expect(answer == [1, 7])
    }
  }

  @Test("a fatal failure ends the call, and the attempts beside it") func fatal() async throws {
    try await withPods([.hangs, .fails(.internal)], config: Self.config(delay: "0.02s"), inTurn: true) {
      channel, pods in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(Pod.unary, [7], options: Self.timely)
      }
      #expect(error?.code == .internal)
      try await eventually("the first one hears of it") { pods[0].cancelled == 1 }
    }
  }

  @Test("when every attempt has failed, the last failure is the call's") func allFail() async throws {
    let failing = Pod.Conduct.fails(.unavailable)
    try await withPods([failing, failing, failing, failing], config: Self.config(delay: "0.01s")) { channel, pods in
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(Pod.unary, [7], options: Self.timely)
      }
      #expect(error?.code == .unavailable)
      #expect(pods.map(\.calls.count) == [1, 1, 1, 0])
    }
  }

  @Test("the server's pushback is waited for, or stops the hedging", arguments: ["200", "-1", "soon"])
  func pushback(_ value: String) async throws {
    let conducts = [Pod.Conduct.fails(.unavailable, pushback: value), .answers]
    try await withPods(conducts, config: Self.config(delay: "0.3s")) { channel, pods in
      let started = ContinuousClock.now
      if value == "200" {
        let answer = try await answer(channel)
        #expect(answer == [1, 7])
        #expect(started.duration(to: .now) >= .milliseconds(200))
      } else {
        let error = await #expect(throws: StatusError.self) {
          try await channel.unary(Pod.unary, [7], options: Self.timely)
        }
        #expect(error?.code == .unavailable)
        #expect(pods[1].calls.isEmpty)
      }
    }
  }

  @Test("while too many calls fail there is one attempt only") func throttled() async throws {
    let failing = Pod.Conduct.fails(.unavailable)
    let config = Self.config(delay: "0.01s", more: ", \"retryThrottling\": {\"maxTokens\": 2, \"tokenRatio\": 0.1}")
    try await withPods([failing, failing], config: config) { channel, pods in
      await #expect(throws: StatusError.self) { try await channel.unary(Pod.unary, [7], options: Self.timely) }
      #expect(pods.map(\.calls.count) == [1, 0])
    }
  }

  @Test("a stream is repeated to each server, and is the first one's that answers") func stream() async throws {
    try await withPods([.hangs, .answers], config: Self.config(delay: "0.05s"), inTurn: true) { channel, pods in
      let chat = channel.bidirectional(Pod.chat, options: Self.timely)
      var iterator = chat.makeAsyncIterator()
      for message in [[1], [2], [3]] as [[UInt8]] { try await chat.send(message) }
      for message in [[1], [2], [3]] as [[UInt8]] {
        let answer = try await next(&iterator)
        #expect(answer == [1] + message)
      }
      // From here on there is one server.
      try await chat.send([4])
      let answer = try await next(&iterator)
      #expect(answer == [1, 4])
      chat.finish()
      let last = try await next(&iterator)
      #expect(last == nil)
      let status = await chat.status
      #expect(status.isOK)
      try await eventually("the first one hears of it") { pods[0].cancelled == 1 }
    }
  }

  @Test("a stream of more than can be kept goes to one server") func large() async throws {
    try await withPods([.answers, .answers], config: Self.config(delay: "60s")) { channel, _ in
      let chat = channel.bidirectional(Pod.chat, options: Self.timely)
      let message = Array(repeating: UInt8(5), count: 100_000)
      let sending = Task {
        for _ in 0..<20 { try await chat.send(message) }
        chat.finish()
      }
      var count = 0
      for try await answer in chat {
        #expect(answer == [0] + message)
        count += 1
      }
      try await sending.value
      #expect(count == 20)
    }
  }

  @Test("a deadline ends every attempt") func deadline() async throws {
    try await givenTime("both attempts have begun") { time in
      try await withPods([.hangs, .hangs], config: Self.config(delay: "0.02s", attempts: 2)) { channel, pods in
        let error = await #expect(throws: StatusError.self) {
          try await channel.unary(Pod.unary, [7], options: CallOptions(timeout: time))
        }
        #expect(error?.code == .deadlineExceeded)
        guard pods.map(\.calls.count) == [1, 1] else { return false }
        try await eventually("both hear of it") { pods.map(\.cancelled) == [1, 1] }
        return true
      }
    }
  }
}
