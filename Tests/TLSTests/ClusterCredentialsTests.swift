import Testing
import Volery

@Suite("Credentials by cluster", .timeLimit(.minutes(1))) struct ClusterCredentialsTests {
  @Test("endpoints of a cluster have its credentials, all others the channel's") func byCluster() async throws {
    let (open, closed) = (Server(services: [TLSEcho()]), Server(services: [TLSEcho()]))
    let plain = try open.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    let secure = try closed.start(
      listeningOn: ListenAddress.tcp("127.0.0.1", 0), credentials: Certificates.server("server"))[0]
    defer {
      open.shutDown()
      closed.shutDown()
    }
    let resolver = ManualResolver(scheme: "clusters")
    var options = ChannelOptions()
    options.resolvers.register(resolver)
    options.loadBalancingPolicy = "round_robin"
    options.clusterCredentials["payments"] = .tls(roots: Certificates.roots, serverName: "localhost")
    let channel = try Channel("clusters:///shop", options: options)
    var protected = Endpoint(secure)
    protected.attributes.cluster = "payments"
    var other = Endpoint(plain)
    other.attributes.cluster = "catalogue"
    resolver.publish(.resolved(Resolution(endpoints: [protected, other])))
    var seen: Set<String> = []
    let limit = ContinuousClock.now.advanced(by: .seconds(20))
    while seen.count < 2, .now < limit {
      let who = try await channel.unary(TLSEcho.who, [], options: Channel.limit).message
      seen.insert(String(decoding: who, as: UTF8.self).hasPrefix("plaintext") ? "plaintext" : "TLS")
    }
    #expect(seen == ["plaintext", "TLS"])
  }

  @Test("call credentials of a cluster are refused, not lost") func callCredentials() {
    var options = ChannelOptions()
    options.clusterCredentials["payments"] = .tls(roots: Certificates.roots).with(
      CallCredentialsTests.Fixed(["authorization": "Bearer x"]))
    let error = #expect(throws: TargetError.self) { try Channel("static:///127.0.0.1:1", options: options) }
    #expect("\(error!)".contains("the cluster \"payments\""))
  }
}
