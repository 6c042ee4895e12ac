import ArgumentParser
import Volery
import VoleryLoadBalancing
import VoleryTypes

/// One thing done so many times and nothing else, for counting instructions.
struct BenchLoop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "loop", abstract: "Does one thing COUNT times.")

  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case encodeEcho = "encode-echo"
    case decodeEcho = "decode-echo"
    case encodeOrder = "encode-order"
    case decodeOrder = "decode-order"
    /// The default policy's choice among five ready servers, and the count of the call that it chooses for.
    case pick
    /// The same among a hundred, and the choice of `weighted_round_robin` among as many with weights of 1 to 3.
    case pickOf100 = "pick-of-100"
    case weightedPickOf100 = "weighted-pick-of-100"
    /// The choice of `ring_hash` among as many, by a header of the call with keys that differ.
    case ringHashPickOf100 = "ring-hash-pick-of-100"
  }

  @Argument var kind: Kind
  @Argument var count: Int

  func run() async throws {
    let echo = Echo(payload: [UInt8](repeating: 7, count: 16))
    switch kind {
    case .encodeEcho: try encode(echo)
    case .decodeEcho: try decode(Echo.self, echo.encoded())
    case .encodeOrder: try encode(Order.example)
    case .decodeOrder: try decode(Order.self, Order.example.encoded())
    case .pick: try pick(ReadyServers(5))
    case .pickOf100: try pick(ReadyServers(100))
    case .weightedPickOf100: try pick(ReadyServers(100, policy: "weighted_round_robin", weights: 1...3))
    case .ringHashPickOf100:
      let header = JSONValue.object(["requestHashHeader": .string("x-key")])
      try pick(ReadyServers(100, policy: "ring_hash_experimental", configuration: header))
    }
  }

  /// As a call does it: into a frame.
  private func encode(_ message: some Message) throws {
    var bytes = 0
    for _ in 0..<count {
      var sink = MessageSink()
      try message.serialize(into: &sink)
      bytes += sink.finish().count
    }
    print("\(bytes) bytes")
  }

  private func decode<M: Message>(_ type: M.Type, _ bytes: [UInt8]) throws {
    var unlike = 0
    let expected = try M(wireArray: bytes)
    for round in 0..<count {
      let message = try M(wireArray: bytes)
      if round == 0, message != expected { unlike += 1 }
    }
    print("\(unlike) unlike")
  }

  /// Different keys of calls, each for as many calls in a row: what making them costs does not count.
  private static let keyCount = 50

  private func pick(_ servers: ReadyServers) throws {
    let picker = servers.picker
    let keys = servers.readsKeys ? BenchLoop.keyCount : 1
    var missed = 0
    for key in 0..<keys {
      let metadata: Metadata = servers.readsKeys ? ["x-tenant": "acme", "x-key": "customer-\(key)"] : Metadata()
      let request = PickRequest(path: "/volery.benchmark.Benchmark/Unary", metadata: metadata)
      for _ in 0..<count / keys {
        let subchannel: Subchannel
        switch picker.pick(for: request) {
        case .pick(let picked): subchannel = picked
        case .attempt(let pick): subchannel = pick.subchannel
        case .queue, .fail, .drop:
          missed += 1
          continue
        }
        subchannel.callStarted()
        subchannel.callEnded(code: .ok, origin: .peer)
      }
    }
    print("\(missed) missed")
  }
}

/// A policy, the default as a rule, told that all its servers are ready.
private struct ReadyServers {
  private final class NoConnection: Sendable {}

  private(set) var picker: any Picker
  /// Whether calls want a header that says which server is theirs.
  let readsKeys: Bool

  /// - Parameters:
  ///   - configuration: Of the policy; one of `ring_hash` names the header `x-key`.
  ///   - weights: Of the servers, one after the other, again and again.
  init(
    _ count: Int, policy name: String = LoadBalancingRegistry.defaultPolicyName, configuration: JSONValue = .null,
    weights: ClosedRange<UInt32> = 1...1
  ) throws {
    readsKeys = configuration != .null
    let registry = LoadBalancingRegistry.builtIn
    var policy = try registry[name]!.makePolicy(
      configuration: configuration, context: PolicyContext(registry: registry, random: { 1 }))
    var made = 0
    var effects = PolicyEffects { endpoint in
      made += 1
      return Subchannel(id: made, endpoint: endpoint, connection: NoConnection())
    }
    let endpoints = (1...count).map { port in
      var endpoint = Endpoint(.tcp("127.0.0.1", port))
      endpoint.attributes.weight = weights.lowerBound + UInt32(port % weights.count)
      return endpoint
    }
    _ = policy.update(endpoints, &effects)
    for id in 1...count { policy.subchannelChanged(id, to: .ready, error: nil, &effects) }
    let pickers = effects.effects.compactMap { effect in
      if case .publish(.ready, let picker) = effect { picker } else { nil }
    }
    picker = pickers.last!
  }
}

extension Order {
  /// About 400 bytes.
  static let example = Order.with { order in
    order.id = "b9f0c1de-5a0e-4f6c-9d9a-3c8ef1b1a2d4"
    order.customer = 48_151_623
    order.placedAt = 1_764_111_600_000
    order.state = .placed
    order.lines = (1...3).map { number in
      Line(article: "A-10\(number)", title: "A thing of some length, number \(number)", quantity: 2, price: 19.95)
    }
    order.delivery = Address(
      name: "Ada Example", lines: ["12 Long Street", "Floor 3"], postcode: "10115", country: "DE")
    order.labels = ["source": "web", "campaign": "autumn"]
    order.vouchers = [17, 4_711, 300_000]
    order.payment = .cardToken("tok_4e2a9c7f31")
    order.signature = [UInt8](repeating: 0x5a, count: 64)
  }
}
