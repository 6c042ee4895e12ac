import Testing
import VoleryDNS

@Suite("resolv.conf") struct ResolverConfigurationTests {
  @Test(
    "the names that are asked for",
    arguments: [
      ("pods", 1, ["pods.svc.test", "pods.other.test", "pods"]),
      ("pods.test", 1, ["pods.test", "pods.test.svc.test", "pods.test.other.test"]),
      ("pods.test", 5, ["pods.test.svc.test", "pods.test.other.test", "pods.test"]),
      ("pods.test.", 5, ["pods.test"]), ("pods", 0, ["pods", "pods.svc.test", "pods.other.test"]),
    ])
  func candidates(_ name: String, _ ndots: Int, _ expected: [String]) {
    let configuration = ResolverConfiguration(
      parsing: "nameserver 127.0.0.1\nsearch svc.test. other.test\noptions ndots:\(ndots)\n")
    #expect(configuration.candidates(for: name) == expected)
  }

  @Test("its options are read, within limits, and what makes no sense is passed over") func options() {
    let configuration = ResolverConfiguration(
      parsing: """
        # a comment
        search a.test
        domain b.test
        options rotate timeout:1 attempts:99 ndots:x edns0
        options ndots:77
        """)
    #expect(configuration.timeout == .seconds(1))
    #expect(configuration.attempts == 5)
    #expect(configuration.ndots == 15)
    #expect(configuration.search == ["b.test"])
  }

  @Test("without a file, or an empty one, there are defaults") func defaults() {
    #expect(ResolverConfiguration(parsing: "") == ResolverConfiguration())
    #expect(ResolverConfiguration().candidates(for: "pods") == ["pods"])
  }

  @Test("the environment comes after the file") func environment() {
    let configuration = ResolverConfiguration(
      parsing: "search a.test\noptions ndots:5 timeout:9", localDomain: "c.test d.test", options: "timeout:3")
    #expect(configuration.search == ["c.test", "d.test"])
    #expect(configuration.timeout == .seconds(3))
    #expect(configuration.ndots == 5)
  }
}
