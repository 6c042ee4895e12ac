import Testing
import VoleryTypes
import VoleryXDS

@Suite("The xDS bootstrap") struct BootstrapTests {
  @Test("it names the control plane, the credentials and the node") func whole() throws {
    let bootstrap = try XDSBootstrap(
      json: """
        {"xds_servers": [{"server_uri": "td:443", "channel_creds": [{"type": "later"}, {"type": "insecure"}],
          "server_features": ["xds_v3", "ignore_resource_deletion"]}],
         "node": {"id": "n1", "cluster": "c", "metadata": {"zone": "a"}, "locality": {"region": "r", "sub_zone": "s"}}}
        """)
    #expect(bootstrap.serverURI == "td:443")
    #expect(!bootstrap.isSecure)
    #expect(bootstrap.serverFeatures == ["xds_v3", "ignore_resource_deletion"])
    #expect(bootstrap.nodeID == "n1")
    #expect(bootstrap.region == "r")
    #expect(bootstrap.subZone == "s")
    #expect(bootstrap.nodeMetadata == .object(["zone": .string("a")]))
  }

  @Test(
    "what is wrong names the member",
    arguments: [
      ("{}", "xds_servers"), ("[]", "not an object"), (#"{"xds_servers": [{}]}"#, "server_uri"),
      (#"{"xds_servers": [{"server_uri": "x", "channel_creds": [{"type": "later"}]}]}"#, "channel_creds"),
    ])
  func wrong(_ json: String, _ text: String) {
    let error = #expect(throws: XDSBootstrapError.self) { try XDSBootstrap(json: json) }
    #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
  }

  @Test("the file's variable comes before that with the text; without either the error names both") func environment() {
    let error = #expect(throws: XDSBootstrapError.self) { try XDSBootstrap.fromEnvironment { _ in nil } }
    #expect(error?.description.contains("GRPC_XDS_BOOTSTRAP_CONFIG") == true)
    let missing = #expect(throws: XDSBootstrapError.self) {
      try XDSBootstrap.fromEnvironment { $0 == "GRPC_XDS_BOOTSTRAP" ? "/nowhere/x.json" : "{}" }
    }
    #expect(missing?.description.contains("/nowhere/x.json") == true)
  }
}
