import TestSupport
import Testing
import Volery
import VoleryProxy

/// Plain and TLS on each side, and who the client is.
@Suite("A proxy and TLS", .timeLimit(.minutes(2))) struct ProxyTLSTests {
  private static func file(_ name: String) -> TLSSource { .file(TestCertificates.path(name)) }
  private static var roots: TLSRoots { .file(TestCertificates.path("ca.crt")) }
  private static var client: TLSKeyPair { TLSKeyPair(certificate: file("client.crt"), key: file("client.key")) }

  private static func server(_ clients: ClientCertificates = .notAsked) -> ServerCredentials {
    .tls(certificate: file("server.crt"), key: file("server.key"), clients: clients)
  }

  /// What the server behind has seen of the client's identity.
  private func identities(
    clients: ServerCredentials, client: ChannelCredentials, servers: ServerCredentials = .plaintext,
    target: ChannelCredentials = .plaintext, sent: Metadata = Metadata(),
    _ change: (inout ProxyOptions) -> Void = { _ in }
  ) async throws -> [String] {
    let named = try NamedServers("a", credentials: servers)
    defer { named.shutDown() }
    var options = ProxyOptions()
    options.serverCredentials = clients
    options.channelCredentials = target
    change(&options)
    let proxy = try Proxy(to: named.addresses[0], options: options)
    let address = try proxy.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)", credentials: client)
    let response = try await channel.unary(
      Named.method("shop.Orders"), [],
      options: CallOptions(metadata: sent, timeout: .seconds(20), waitForReady: true))
    #expect(response.message == Array("a".utf8))
    await proxy.drain(limit: .zero)
    return response.trailingMetadata.values("spiffe-seen")
  }

  private static let spiffe = "spiffe://volery.test/ns/shop/sa/orders"

  @Test("calls go through with TLS on either side, on both, and on none", arguments: [false, true], [false, true])
  func sides(_ clientsTLS: Bool, _ serversTLS: Bool) async throws {
    let seen = try await identities(
      clients: clientsTLS ? Self.server() : .plaintext,
      client: clientsTLS ? .tls(roots: Self.roots) : .plaintext,
      servers: serversTLS ? Self.server() : .plaintext,
      target: serversTLS ? .tls(roots: Self.roots) : .plaintext)
    #expect(seen == [])
  }

  @Test(
    "servers get the client's authority on plaintext, and on TLS the one that their certificate is for",
    arguments: [false, true])
  func authority(_ isTLS: Bool) async throws {
    let named = try NamedServers("a", credentials: isTLS ? Self.server() : .plaintext)
    defer { named.shutDown() }
    var options = ProxyOptions()
    if isTLS { options.channelCredentials = .tls(roots: Self.roots) }
    let proxy = try Proxy(to: named.addresses[0], options: options)
    let address = try proxy.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)")
    let response = try await channel.unary(
      Named.method("shop.Orders"), [], options: CallOptions(timeout: .seconds(20), waitForReady: true))
    #expect(response.trailingMetadata["authority-seen"] == (isTLS ? named.addresses[0] : "\(address)"))
    await proxy.drain(limit: .zero)
  }

  @Test("a server that wants certificates gets the proxy's, not the client's") func mutualBehind() async throws {
    let seen = try await identities(
      clients: .plaintext, client: .plaintext, servers: Self.server(.required(Self.roots)),
      target: .tls(roots: Self.roots, identity: Self.client))
    // The proxy's own certificate says nothing of its client.
    #expect(seen == [])
  }

  @Test("a client of mutual TLS is named to the server by its SPIFFE ID, whatever it says itself")
  func identity() async throws {
    let forged: Metadata = ["x-spiffe-id": "spiffe://volery.test/admin", "X-SPIFFE-ID": "b"]
    for sent in [Metadata(), forged] {
      let seen = try await identities(
        clients: Self.server(.required(Self.roots)), client: .tls(roots: Self.roots, identity: Self.client), sent: sent)
      #expect(seen == [Self.spiffe])
    }
  }

  @Test("a client without a certificate can't claim to be somebody", arguments: [false, true])
  func forged(_ isTLS: Bool) async throws {
    let seen = try await identities(
      clients: isTLS ? Self.server(.optional(Self.roots)) : .plaintext,
      client: isTLS ? .tls(roots: Self.roots) : .plaintext, sent: ["x-spiffe-id": Self.spiffe])
    #expect(seen == [])
  }

  @Test("a proxy behind one that has said it passes it on, if it is told to") func passedOn() async throws {
    let seen = try await identities(clients: .plaintext, client: .plaintext, sent: ["x-spiffe-id": Self.spiffe]) {
      $0.identityHeader = nil
    }
    #expect(seen == [Self.spiffe])
  }

  @Test("a client whose certificate others have signed gets no call through") func stranger() async throws {
    let stranger = TLSKeyPair(certificate: Self.file("other-client.crt"), key: Self.file("other-client.key"))
    var options = ProxyOptions()
    options.serverCredentials = Self.server(.required(Self.roots))
    let proxy = try Proxy(to: "127.0.0.1:1", options: options)
    let address = try proxy.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("\(address)", credentials: .tls(roots: Self.roots, identity: stranger))
    let error = await #expect(throws: StatusError.self) {
      _ = try await channel.unary(Echo.unary, [1], options: CallOptions(timeout: .seconds(20)))
    }
    // Its own channel's: no connection was made.
    #expect(error != nil && error?.origin != .peer)
    await proxy.drain(limit: .zero)
  }
}
