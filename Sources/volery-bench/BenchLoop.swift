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
    case .pick: try pick()
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

  private func pick() throws {
    let picker = try ReadyServers(5).picker
    let request = PickRequest(path: "/volery.benchmark.Benchmark/Unary", metadata: Metadata())
    var missed = 0
    for _ in 0..<count {
      guard case .pick(let subchannel) = picker.pick(for: request) else {
        missed += 1
        continue
      }
      subchannel.callStarted()
      subchannel.callEnded(code: .ok, origin: .peer)
    }
    print("\(missed) missed")
  }
}

/// The default policy, told that all its servers are ready.
private struct ReadyServers {
  private final class NoConnection: Sendable {}

  private(set) var picker: any Picker

  init(_ count: Int) throws {
    let registry = LoadBalancingRegistry.builtIn
    var policy = try registry[LoadBalancingRegistry.defaultPolicyName]!.makePolicy(
      configuration: .null, context: PolicyContext(registry: registry, random: { 1 }))
    var made = 0
    var effects = PolicyEffects { endpoint in
      made += 1
      return Subchannel(id: made, endpoint: endpoint, connection: NoConnection())
    }
    _ = policy.update((1...count).map { Endpoint(.tcp("127.0.0.1", $0)) }, &effects)
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
