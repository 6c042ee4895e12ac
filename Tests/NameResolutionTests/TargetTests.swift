import Testing
import VoleryNameResolution

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
      ("1:2:3:4:5:6:7:8:9", false),
    ])
  func ipv6(_ text: String, _ isAddress: Bool) { #expect(AddressLiteral.isIPv6(text) == isAddress) }
}
