import Volery

/// Servers come and go in a registry of the program's own; a channel to `registry:///greeters` follows.
@main
struct Program {
  static let greet = Method<[UInt8], [UInt8]>(service: "demo.Greeter", name: "Greet", kind: .unary)

  static func main() async throws {
    let registry = Registry()
    var options = ChannelOptions()
    options.resolvers.register(RegistryResolverFactory(registry: registry))
    let channel = try Channel("registry:///greeters", options: options)
    do {
      _ = try await call(channel, waitForReady: false)
    } catch {
      print("nobody: \(error.message)")
    }
    let (ada, bob, cyd) = (try Greeter("ada"), try Greeter("bob"), try Greeter("cyd"))
    registry.register(ada.endpoint, as: "greeters")
    registry.register(bob.endpoint, as: "greeters")
    print("ada and bob have come:", try await counts(channel, once: ["ada", "bob"]))
    registry.register(cyd.endpoint, as: "greeters")
    print("cyd has come:", try await counts(channel, once: ["ada", "bob", "cyd"]))
    registry.unregister(ada.endpoint, from: "greeters")
    print("ada has gone:", try await counts(channel, once: ["bob", "cyd"]))
    for greeter in [ada, bob, cyd] { await greeter.server.drain() }
  }

  static func call(_ channel: Channel, waitForReady: Bool = true) async throws(StatusError) -> String {
    let options = CallOptions(timeout: .seconds(5), waitForReady: waitForReady)
    return String(decoding: try await channel.unary(greet, [], options: options).message, as: UTF8.self)
  }

  /// Who answers twelve calls in a row, and how often, as soon as these and nobody else answer: a change takes a moment.
  static func counts(_ channel: Channel, once names: Set<String>) async throws(StatusError) -> String {
    while Set(try await twelveCalls(channel).keys) != names {}
    let counts = try await twelveCalls(channel)
    return counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  static func twelveCalls(_ channel: Channel) async throws(StatusError) -> [String: Int] {
    var counts: [String: Int] = [:]
    for _ in 0..<12 { counts[try await call(channel), default: 0] += 1 }
    return counts
  }
}

/// A server of this process that says its name.
struct Greeter {
  let server: Server
  let endpoint: Endpoint

  init(_ name: String) throws {
    server = Server(services: [GreeterService(name: name)])
    endpoint = Endpoint(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])
  }
}

struct GreeterService: Service {
  let name: String

  var handlers: [MethodHandler] { [.unary(Program.greet) { [name] _, _ in Array(name.utf8) }] }
}
