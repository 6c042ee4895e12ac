import Testing
import VoleryDNS

@Suite("Service configs in TXT records") struct TextConfigTests {
  private func read(_ texts: [String], draw: Double = 50) -> TextConfig? {
    var reader = TextConfigReader(hostName: "client-1", draw: draw)
    reader.read(texts)
    return reader.current
  }

  private static let config = #"{"loadBalancingConfig":[{"round_robin":{}}]}"#

  @Test(
    "the first choice that fits this client counts",
    arguments: [
      (#"[{"serviceConfig":{"a":1}},{"serviceConfig":{"a":2}}]"#, #"{"a":1}"#),
      (
        #"[{"clientLanguage":["go"],"serviceConfig":{}},{"clientLanguage":["java","SWIFT"],"serviceConfig":{"a":2}}]"#,
        #"{"a":2}"#
      ),
      (#"[{"percentage":50,"serviceConfig":{"a":1}},{"percentage":51,"serviceConfig":{"a":2}}]"#, #"{"a":2}"#),
      (
        #"[{"clientHostname":["client-2"],"serviceConfig":{}},{"clientHostname":["client-1"],"serviceConfig":{"a":2}}]"#,
        #"{"a":2}"#
      ),
      (#"[{"percentage":0,"serviceConfig":{}}]"#, nil), ("[]", nil),
    ])
  func choice(_ text: String, _ expected: String?) {
    #expect(read(["grpc_config=" + text]) == expected.map { .json($0) })
  }

  @Test("records that are something else are passed over") func others() {
    #expect(read(["v=spf1", "grpc_config=[{\"serviceConfig\":\(Self.config)}]"]) == .json(Self.config))
    #expect(read(["v=spf1"]) == nil)
  }

  @Test(
    "what can't be read is an invalid config, which says why",
    arguments: [
      ("{", "not JSON"), ("{}", "not a list"), ("[1]", "not an object"),
      (#"[{"percentage":"x","serviceConfig":{}}]"#, "percentage"),
      (#"[{"percentage":101,"serviceConfig":{}}]"#, "above 100"), ("[{}]", "serviceConfig"),
      (#"[{"clientLanguage":[7],"serviceConfig":{}}]"#, "clientLanguage"),
      (#"[{"clientLanguage":"swift","serviceConfig":{}}]"#, "not a list"),
    ])
  func invalid(_ text: String, _ reason: String) {
    guard case .invalid(let found)? = read(["grpc_config=" + text]) else { return #expect(Bool(false), "not invalid") }
    #expect(found.contains(reason), "\(found)")
  }

  @Test("about the percentage that is wanted is chosen") func percentage() {
    let chosen = (0..<100).count {
      read(["grpc_config=[{\"percentage\":20,\"serviceConfig\":{}}]"], draw: Double($0)) != nil
    }
    #expect(chosen == 20)
  }
}
