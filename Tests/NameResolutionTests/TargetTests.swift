import Testing
import VoleryNameResolution
import VoleryPlatform
import VoleryTypes

@Suite("Targets") struct TargetTests {
  static let schemes = ["dns", "ipv4", "ipv6", "unix", "unix-abstract", "static"]

  @Test(
    "every form is understood",
    arguments: [
      ("orders:50051", "dns", "", "orders:50051"), ("orders", "dns", "", "orders"),
      ("dns:orders:1", "dns", "", "orders:1"),
      ("dns:///orders:1", "dns", "", "orders:1"), ("DNS:///orders", "dns", "", "orders"),
      ("dns://10.0.0.10:53/a.b:1", "dns", "10.0.0.10:53", "a.b:1"), ("dns://[::1]:53/x", "dns", "[::1]:53", "x"),
      ("[::1]:50051", "dns", "", "[::1]:50051"), ("localhost:50051", "dns", "", "localhost:50051"),
      ("unix:rel/path", "unix", "", "rel/path"), ("unix:///abs/path", "unix", "", "/abs/path"),
      ("unix-abstract:name", "unix-abstract", "", "name"),
      ("ipv4:1.2.3.4:5,6.7.8.9:1", "ipv4", "", "1.2.3.4:5,6.7.8.9:1"),
      ("static:///a:1,b:2", "static", "", "a:1,b:2"),
    ])
  func forms(_ text: String, _ scheme: String, _ authority: String, _ endpoint: String) throws {
    let target = try Target(parsing: text, knownSchemes: Self.schemes)
    #expect(target == Target(scheme: scheme, authority: authority, endpoint: endpoint))
  }

  @Test(
    "a target is a URI: what is percent-encoded is decoded (RFC 3986), and a zone may stand as everybody writes it (RFC 6874)",
    arguments: [
      ("unix:/tmp/a%20b/s.sock", "", "/tmp/a b/s.sock", "unix:///tmp/a%20b/s.sock"),
      ("unix:///tmp/%C3%A9%25%3F%23,x", "", "/tmp/é%?#,x", "unix:///tmp/%C3%A9%25%3F%23,x"),
      ("unix:/tmp/é x", "", "/tmp/é x", "unix:///tmp/%C3%A9%20x"), ("unix:a%2cb", "", "a,b", "unix:a%2Cb"),
      ("dns:///[fe80::1%25eth0]:50051", "", "[fe80::1%eth0]:50051", "dns:///[fe80::1%25eth0]:50051"),
      ("[fe80::1%eth0]:50051", "", "[fe80::1%eth0]:50051", "dns:///[fe80::1%25eth0]:50051"),
      ("dns://[fe80::1%25eth0]:53/x", "[fe80::1%eth0]:53", "x", "dns://[fe80::1%25eth0]:53/x"),
      ("%6frders:50051", "", "orders:50051", "dns:///orders:50051"),
      ("unix-abstract:a%00b", "", "a\0b", "unix-abstract:///a%00b"),
      ("static:///1.1.1.1:1,unix:/a%2Cb", "", "1.1.1.1:1,unix:/a,b", "static:///1.1.1.1:1,unix:/a%2Cb"),
    ])
  func encoded(_ text: String, _ authority: String, _ endpoint: String, _ description: String) throws {
    let target = try Target(parsing: text, knownSchemes: Self.schemes)
    #expect(target.authority == authority)
    #expect(target.endpoint == endpoint)
    #expect(target.description == description)
    #expect(try Target(parsing: description, knownSchemes: Self.schemes).description == description)
  }

  @Test(
    "what is no URI is refused, and the error says what to write",
    arguments: [
      ("unix:/tmp/100%", "%25"), ("unix:/tmp/%zz", "\"%zz\""), ("unix:/tmp/%4", "%25"), ("orders%:1", "%25"),
      ("unix:/tmp/%ff", "UTF-8"), ("unix:/tmp/a%00b", "NUL"), ("dns:///a%00b", "NUL"), ("unix:/tmp/a#b", "%23"),
      ("ipv6:fe80::1%eth0", "%25"), ("dns://10.0.0.%/x", "%25"),
    ])
  func malformed(_ text: String, _ hint: String) {
    let error = #expect(throws: TargetError.self) { try Target(parsing: text, knownSchemes: Self.schemes) }
    #expect(error?.description.contains(hint) == true, "\(error!)")
    #expect(error?.description.contains(text) == true)
  }

  private func resolver(_ text: String) throws -> any Resolver {
    let registry = ResolverRegistry(ResolverRegistry.fixed)
    let target = try Target(parsing: text, knownSchemes: registry.schemes)
    return try #require(registry[target.scheme]).makeResolver(for: target)
  }

  @Test("a list is divided before it is decoded") func lists() async throws {
    let (updates, continuation) = AsyncStream.makeStream(of: ResolverUpdate.self)
    let resolver = try resolver("static:///unix:/tmp/a%2Cb%20c,[::1%25lo]:2,[::1%251]:3")
    let task = Task {
      try await resolver.run {
        continuation.yield($0)
        return true
      }
    }
    var found: [SocketAddress] = []
    for await case .resolved(let resolution) in updates {
      found = resolution.endpoints.flatMap(\.addresses)
      break
    }
    task.cancel()
    #expect(found == [.unix("/tmp/a,b c"), .tcp("::1%lo", 2), .tcp("::1%1", 3)])
  }

  @Test(
    "what a scheme has no use for is refused",
    arguments: [
      "unix:/tmp/a?b", "ipv4:1.1.1.1:1?x=y", "unix://host/tmp/x", "ipv4://host/1.1.1.1:1", "in-process://a/b",
    ])
  func useless(_ text: String) { #expect(throws: TargetError.self) { try resolver(text) } }

  @Test(
    "an address in a zone that this machine has not is refused",
    arguments: ["nothere0", "99999", "0", "-1", "4294967297"])
  func unknownZone(_ zone: String) {
    for text in ["ipv6:[fe80::1%25\(zone)]:1", "static:///[fe80::1%25\(zone)]:1"] {
      let error = #expect(throws: TargetError.self, "\(text)") { try resolver(text) }
      #expect(error?.description.contains("the zone \"\(zone)\"") == true, "\(error!)")
    }
  }

  @Test(
    "an authority has no zone, and nothing that can't stand there",
    arguments: [
      ("[fe80::1%eth0]:50051", "[fe80::1]:50051"), ("orders:50051", "orders:50051"), ("[::1]", "[::1]"),
      ("a b/c\n", "a%20b%2Fc%0A"), ("é", "%C3%A9"),
    ])
  func authority(_ text: String, _ expected: String) { #expect(URIText.authority(text) == expected) }

  @Test("a query is for resolvers of somebody's own") func query() throws {
    let target = try Target(parsing: "registry:///orders?zone=a%20b", knownSchemes: ["registry"])
    #expect(target.endpoint == "orders" && target.query == "zone=a%20b")
    #expect(target.description == "registry:///orders?zone=a%20b")
  }

  @Test(
    "an unknown scheme is an error that lists the known ones",
    arguments: ["dsn:///orders:1", "zookeeper:orders", "http://x/y"])
  func unknownScheme(_ text: String) {
    let error = #expect(throws: TargetError.self) { try Target(parsing: text, knownSchemes: Self.schemes) }
    #expect(error?.description.contains("unix-abstract") == true)
  }

  @Test("nothing is not a target", arguments: ["", "dns:///", "dns://8.8.8.8"]) func empty(_ text: String) {
    #expect(throws: TargetError.self) { try Target(parsing: text, knownSchemes: Self.schemes) }
  }

  @Test(
    "host and port",
    arguments: [
      ("a:1", "a", 1), ("a", "a", 443), ("[::1]:2", "::1", 2), ("::1", "::1", 443), ("[::1]", "::1", 443),
      (":80", "localhost", 80),
      ("1.2.3.4:0", "1.2.3.4", 0),
    ])
  func hostAndPort(_ text: String, _ host: String, _ port: Int) {
    let parsed = HostAndPort(text, defaultPort: 443)
    #expect(parsed?.host == host)
    #expect(parsed?.port == port)
  }

  @Test("what is neither is refused", arguments: ["a:", "a:x", "a:65536", "[::1", "[::1]x", "[a]:1", ""])
  func badHostAndPort(_ text: String) { #expect(HostAndPort(text, defaultPort: 443) == nil) }

  @Test(
    "IPv6 literals",
    arguments: [
      ("::", true), ("::1", true), ("fe80::1%eth0", true), ("1:2:3:4:5:6:7:8", true), ("::ffff:1.2.3.4", true),
      ("1:2:3:4:5:6:7", false), ("1::2::3", false), (":::", false), ("12345::", false), ("g::", false), ("::1%", false),
      ("1:2:3:4:5:6:7:8:9", false), ("::1\0", false), ("::1%lo\0", false), ("1.2.3.4", false), ("[::1]", false),
      ("::ffff:1.2.3.04", false), ("%lo", false), ("", false), ("１::", false),
    ])
  func ipv6(_ text: String, _ isAddress: Bool) { #expect(AddressLiteral.isIPv6(text) == isAddress) }

  @Test(
    "IPv4 literals: four decimal numbers, as the socket takes them",
    arguments: [
      ("1.2.3.4", true), ("0.0.0.0", true), ("255.255.255.255", true), ("256.1.1.1", false), ("1.2.3", false),
      ("1.2.3.4.5", false), ("01.2.3.4", false), ("1.2.3.4\0", false), ("1.2.3.4\0.x", false), ("0x1.2.3.4", false),
      ("1.2.3.4 ", false), (" 1.2.3.4", false), ("1..3.4", false), ("-1.2.3.4", false), ("+1.2.3.4", false),
      ("１.2.3.4", false), ("16909060", false), ("", false), ("a.b.c.d", false),
    ])
  func ipv4(_ text: String, _ isAddress: Bool) { #expect(AddressLiteral.isIPv4(text) == isAddress) }
}
