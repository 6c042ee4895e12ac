import Foundation
import Testing
import Volery

/// The resolver without a channel, against a real dnsmasq.
@Suite("Resolution.updates", .serialized, .timeLimit(.minutes(1))) struct ResolutionUpdatesTests {
  static var resolvers: ResolverRegistry {
    var resolvers = ResolverRegistry.standard
    resolvers.register(DNSResolverFactory(refreshInterval: .milliseconds(100), readsServiceConfig: true))
    resolvers.register(DNSServiceResolverFactory(refreshInterval: .milliseconds(100)))
    return resolvers
  }

  private func updates(_ target: String) throws -> ResolutionUpdates.AsyncIterator {
    try Resolution.updates(of: target, resolvers: Self.resolvers).makeAsyncIterator()
  }

  /// The next elements until one is as wanted.
  @discardableResult
  private func next(
    _ updates: inout ResolutionUpdates.AsyncIterator, where isWanted: (ResolutionUpdates.Element) -> Bool
  ) async throws -> ResolutionUpdates.Element {
    while let found = await updates.next() {
      if isWanted(found) { return found }
    }
    throw CancellationError()
  }

  private func hosts(_ found: ResolutionUpdates.Element) -> Set<String> { Set(found.endpoints.map(\.description)) }

  @Test("each change is an element; while DNS is down the last answer holds") func changes() async throws {
    let server = try NameServer()
    try server.set(["127.0.0.11 pods.test", "127.0.0.12 pods.test"])
    var updates = try updates("dns://127.0.0.1:\(server.port)/pods.test.:7")
    let first = try await next(&updates) { !$0.endpoints.isEmpty }
    #expect(hosts(first) == ["127.0.0.11:7", "127.0.0.12:7"])
    #expect(first.source == "2 addresses")
    #expect(first.failure == nil)
    #expect(try #require(first.age) < .seconds(5))
    try server.set(["127.0.0.12 pods.test", "127.0.0.13 pods.test"])
    // Without anything between them: the answers that brought nothing new were not told.
    let second = try #require(await updates.next())
    #expect(hosts(second) == ["127.0.0.12:7", "127.0.0.13:7"])
    try server.set([])
    let third = try #require(await updates.next())
    #expect(third.endpoints.isEmpty)
    #expect(third.source.contains("NXDOMAIN"))
    #expect(third.lastKnownEndpoints.count == 2)
    try server.set(["127.0.0.14 pods.test"])
    try await next(&updates) { hosts($0) == ["127.0.0.14:7"] }
  }

  @Test("a DNS server that refuses is a failure beside the last answer, until it answers") func failure() async throws {
    // Of names that are not its own this server knows what its hosts file has, and refuses the rest.
    let server = try NameServer()
    try server.set(["127.0.0.11 pods.elsewhere"])
    var updates = try updates("dns://127.0.0.1:\(server.port)/pods.elsewhere.:7")
    try await next(&updates) { !$0.endpoints.isEmpty }
    try server.set([])
    let down = try await next(&updates) { $0.failure != nil }
    #expect(hosts(down) == ["127.0.0.11:7"])
    #expect(down.failure?.message.contains("look-up of pods.elsewhere. failed") == true)
    #expect(down.age != nil)
    try server.set(["127.0.0.11 pods.elsewhere"])
    let back = try await next(&updates) { $0.failure == nil }
    #expect(hosts(back) == ["127.0.0.11:7"])
  }

  @Test("it ends when its task is cancelled") func cancellation() async throws {
    let server = try NameServer()
    try server.set(["127.0.0.11 pods.test"])
    let updates = try Resolution.updates(of: "dns://127.0.0.1:\(server.port)/pods.test.:7", resolvers: Self.resolvers)
    let (started, start) = AsyncStream.makeStream(of: Void.self)
    let task = Task {
      var count = 0
      for await _ in updates {
        count += 1
        start.yield()
      }
      return count
    }
    for await _ in started { break }
    task.cancel()
    #expect(await task.value >= 1)
    withExtendedLifetime(server) {}
  }

  @Test("a resolver that throws is run again") func restarts() async throws {
    final class Flaky: Resolver, ResolverFactory {
      let scheme = "flaky"
      func makeResolver(for target: Target) -> any Resolver { self }
      func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
        _ = publish(.resolved(Resolution(endpoints: [Endpoint(.tcp("127.0.0.1", Int.random(in: 1...60_000)))])))
        throw StatusError(.internal, "the registry hung up")
      }
      func resolveNow(_ cause: ResolveCause) {}
    }
    var updates = try Resolution.updates(of: "flaky:///x", resolvers: ResolverRegistry([Flaky()])).makeAsyncIterator()
    // Whoever looks seldom sees only the last of what was said meanwhile.
    let failed = try await next(&updates) { $0.failure?.message == "the registry hung up" && !$0.endpoints.isEmpty }
    try await next(&updates) { !$0.endpoints.isEmpty && $0.endpoints != failed.endpoints }
  }

  @Test("a scheme that nobody knows is an error that lists those that are known") func unknownScheme() {
    let error = #expect(throws: TargetError.self) { try Resolution.updates(of: "dsn+srv:///pods.test") }
    #expect(error?.description.contains("dns, dns+srv, file") == true)
  }

  @Test("SRV records give hosts, ports and weights, with the targets' addresses") func services() async throws {
    let server = try NameServer(configuration: [
      "srv-host=_grpc._tcp.pods.test,one.test,7001,10,20", "srv-host=_grpc._tcp.pods.test,two.test,7002,10,60",
      "srv-host=_grpc._tcp.pods.test,late.test,7003,30,60",
    ])
    try server.set(["127.0.0.11 one.test", "127.0.0.12 two.test", "::12 two.test", "127.0.0.13 late.test"])
    var updates = try updates("dns+srv://127.0.0.1:\(server.port)/_grpc._tcp.pods.test.")
    let found = try await next(&updates) { $0.endpoints.count == 3 }
    let endpoints = found.endpoints.sorted { $0.attributes.weight ?? 0 < $1.attributes.weight ?? 0 }
    #expect(endpoints[0].addresses == [.tcp("127.0.0.11", 7001)])
    #expect(endpoints[0].attributes.weight == 20)
    #expect(endpoints[0].attributes.priority == 10)
    #expect(Set(endpoints.map { $0.attributes.priority }) == [10, 30])
    #expect(endpoints.contains { Set($0.addresses) == [.tcp("127.0.0.12", 7002), .tcp("::12", 7002)] })
    // A pod moves: the records stay, a target's address changes.
    try server.set(["127.0.0.21 one.test", "127.0.0.12 two.test", "127.0.0.13 late.test"])
    try await next(&updates) { found in found.endpoints.contains { $0.addresses == [.tcp("127.0.0.21", 7001)] } }
  }

  @Test("SRV records whose weights are all the same have none") func equalWeights() async throws {
    let server = try NameServer(configuration: [
      "srv-host=_grpc._tcp.pods.test,one.test,7001,0,50", "srv-host=_grpc._tcp.pods.test,two.test,7001,0,50",
    ])
    try server.set(["127.0.0.11 one.test", "127.0.0.12 two.test"])
    var updates = try updates("dns+srv://127.0.0.1:\(server.port)/_grpc._tcp.pods.test.")
    let found = try await next(&updates) { $0.endpoints.count == 2 }
    #expect(found.endpoints.allSatisfy { $0.attributes == Endpoint.Attributes() })
  }

  @Test("the service config comes by TXT; one that can't be used is told, and the last valid one stays")
  func textConfig() async throws {
    func record(_ json: String) -> String {
      "txt-record=_grpc_config.pods.test,\"grpc_config=\(json.replacing("\"", with: "\\\""))\""
    }
    let padding = String(repeating: "x", count: 300)  // More than one string of a record holds.
    let choices =
      #"[{"clientLanguage":["go"],"serviceConfig":{}},{"serviceConfig":{"#
      + #""methodConfig":[{"name":[{}],"timeout":"2s"}],"padding":"\#(padding)"}}]"#
    let server = try NameServer(configuration: [record(choices)])
    try server.set(["127.0.0.11 pods.test"])
    var updates = try updates("dns://127.0.0.1:\(server.port)/pods.test.:7")
    let found = try await next(&updates) { !$0.endpoints.isEmpty }
    #expect(found.endpoints.count == 1)
    let config = try #require(found.serviceConfig)
    #expect(config[MethodDescriptor(service: "a.B", name: "C", kind: .unary)]?.timeout == .seconds(2))

    let broken = try NameServer(configuration: [record(#"[{"percentage":"all","serviceConfig":{}}]"#)])
    try broken.set(["127.0.0.11 pods.test"])
    var others = try self.updates("dns://127.0.0.1:\(broken.port)/pods.test.:7")
    let bad = try await next(&others) { !$0.endpoints.isEmpty }
    #expect(bad.serviceConfigError?.description.contains("percentage") == true)
    #expect(bad.endpoints.count == 1, "the addresses are good all the same")
  }
}
