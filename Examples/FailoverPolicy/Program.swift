import Volery

/// Two servers of the first priority and two that stand by: prints who answers twelve calls while all is well, when one of the
/// first is gone, when both are, and when another one has come.
@main
struct Program {
  static let name = Method<[UInt8], [UInt8]>(service: "demo.Names", name: "Name", kind: .unary)

  struct Names: Service {
    let name: String
    var handlers: [MethodHandler] { [.unary(Program.name) { [name] _, _ in Array(name.utf8) }] }
  }

  static func main() async throws {
    var endpoints: [String: Endpoint] = [:]
    var servers: [String: Server] = [:]
    for (name, priority) in [("ada", 0), ("bob", 0), ("cyd", 1), ("dan", 1)] {
      let server = Server(services: [Names(name: name)])
      var endpoint = Endpoint(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])
      endpoint.attributes.priority = UInt32(priority)
      servers[name] = server
      endpoints[name] = endpoint
    }
    let registry = ManualResolver(scheme: "registry")
    registry.publish(.resolved(Resolution(endpoints: Array(endpoints.values))))

    var options = ChannelOptions()
    options.resolvers.register(registry)
    options.loadBalancingPolicies.register(FailoverPolicyFactory())
    options.loadBalancingPolicies.register(LongestReadyFactory())
    options.serviceConfig = try ServiceConfig(
      json: #"{"loadBalancingConfig": [{"failover": {"childPolicy": [{"round_robin": {}}]}}]}"#)
    let channel = try Channel("registry:///names", options: options)

    print("all is well:", try await answers(channel, from: ["ada", "bob"]))
    await servers["ada"]?.drain()
    print("ada is gone:", try await answers(channel, from: ["bob"]))
    await servers["bob"]?.drain()
    print("bob too:", try await answers(channel, from: ["cyd", "dan"]))
    let back = Server(services: [Names(name: "eve")])
    var endpoint = Endpoint(try back.start(listeningOn: .tcp("127.0.0.1", 0))[0])
    endpoint.attributes.priority = 0
    registry.publish(.resolved(Resolution(endpoints: [endpoint, endpoints["cyd"]!, endpoints["dan"]!])))
    print("eve has come:", try await answers(channel, from: ["eve"]))

    // A leader and those who stand by: the same with another child.
    options.serviceConfig = try ServiceConfig(
      json: #"{"loadBalancingConfig": [{"failover": {"childPolicy": [{"longest_ready": {}}]}}]}"#)
    let leading = try Channel(
      "static:///\(endpoints["cyd"]!.addresses[0]),\(endpoints["dan"]!.addresses[0])", options: options)
    let leader = try await answer(leading)
    print("one leads:", try await answers(leading, from: [leader]) == "\(leader) 12")
    for server in [back, servers["cyd"]!, servers["dan"]!] { await server.drain() }
  }

  static func answer(_ channel: Channel) async throws -> String {
    let options = CallOptions(timeout: .seconds(10), waitForReady: true)
    return String(decoding: try await channel.unary(name, [], options: options).message, as: UTF8.self)
  }

  /// Who answers twelve calls in a row, and how often, as soon as it is these and nobody else.
  static func answers(_ channel: Channel, from wanted: Set<String>) async throws -> String {
    while true {
      var counts: [String: Int] = [:]
      for _ in 0..<12 { counts[try await answer(channel), default: 0] += 1 }
      guard Set(counts.keys) == wanted, Set(counts.values).count == 1 else { continue }
      return counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
  }
}
