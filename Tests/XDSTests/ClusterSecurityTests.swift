import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// Certificates that a control plane names (gRFC A29).
@Suite("How clusters are protected", .serialized, .timeLimit(.minutes(5))) struct ClusterSecurityTests {
  private static func names(_ dns: [String] = [], uris: [String] = []) -> PeerIdentity {
    PeerIdentity(certificate: [], isVerified: true, subject: "", issuer: "", dnsNames: dns, uris: uris)
  }

  private static func cluster(_ tls: String) throws -> Result<XDSResource, XDSResourceError> {
    var wire = WireCluster()
    wire.name = "a"
    wire.clusterDiscoveryType = .type(.eds)
    wire.edsClusterConfig = WireCluster.EdsClusterConfig(
      edsConfig: WireConfigSource(configSourceSpecifier: .ads(WireAggregatedConfigSource())))
    let context = try WireUpstreamTlsContext(jsonString: "{\"common_tls_context\": {\(tls)}}")
    wire.transportSocket = WireTransportSocket(configType: .typedConfig(try Google_Protobuf_Any(packing: context)))
    let providers = [
      "whole": XDSCertificateProvider(certificateFile: "c", privateKeyFile: "k", rootsFile: "r"),
      "roots": XDSCertificateProvider(rootsFile: "r"),
    ]
    return ReadResource(
      try Google_Protobuf_Any(packing: wire), .cluster, ReadContext(certificateProviders: providers)
    ).result
  }

  static func transport(_ tls: String) -> String {
    """
    "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      "common_tls_context": {\(tls)}}}
    """
  }

  static let mutual = """
    "tls_certificate_provider_instance": {"instance_name": "whole"},
    "validation_context": {"ca_certificate_provider_instance": {"instance_name": "whole"}
    """

  @Test(
    "a server's name fits by what the certificate says, a wildcard for one label",
    arguments: [
      ("{\"exact\": \"orders.test\"}", ["orders.test"], true), ("{\"exact\": \"Orders.Test\"}", ["orders.test"], true),
      ("{\"exact\": \"a.pods.test\"}", ["*.pods.test"], true),
      ("{\"exact\": \"a.b.pods.test\"}", ["*.pods.test"], false),
      ("{\"exact\": \"pods.test\"}", ["*.pods.test"], false), ("{\"prefix\": \"ord\"}", ["orders.test"], true),
      ("{\"suffix\": \".test\"}", ["orders.example"], false), ("{\"exact\": \"orders\"}", [], false),
    ])
  func matches(_ matcher: String, _ dns: [String], _ fits: Bool) throws {
    let result = try Self.cluster("\(Self.mutual), \"match_subject_alt_names\": [\(matcher)]}")
    guard case .success(.cluster(let cluster)) = result, let match = cluster.security?.names.first else {
      Issue.record("\(result)")
      return
    }
    #expect(match.fits(Self.names(dns)) == fits)
    #expect(match.fits(Self.names(uris: ["spiffe://x/y"])) == false)
  }

  @Test(
    "what can't be done is refused by its field",
    arguments: [
      ("", "validation_context"),
      ("\"validation_context\": {\"ca_certificate_provider_instance\": {\"instance_name\": \"none\"}}", "\"none\""),
      (
        "\"validation_context\": {\"ca_certificate_provider_instance\": {\"instance_name\": \"whole\"}, \"verify_certificate_hash\": [\"x\"]}",
        "verify_certificate_hash"
      ),
      (
        "\"tls_certificate_provider_instance\": {\"instance_name\": \"roots\"}, \"validation_context\": {\"ca_certificate_provider_instance\": {\"instance_name\": \"roots\"}}",
        "has no certificate"
      ),
    ])
  func refusals(_ tls: String, _ text: String) throws {
    guard case .failure(let error) = try Self.cluster(tls) else {
      Issue.record("it is accepted")
      return
    }
    #expect(error.description.hasPrefix("transport_socket.") && error.description.contains(text), "\(error)")
  }

  @Test("connections have the certificates that the control plane names; a server of another name is not called")
  func mutual()
    async throws
  {
    let pair = TLSKeyPair.pair(
      certificate: .file(TestCertificates.path("server.crt")), key: .file(TestCertificates.path("server.key")))
    let credentials = ServerCredentials.tls(
      certificate: pair.certificate, key: pair.key,
      clients: .required(.file(TestCertificates.path("ca.crt"))))
    let backend = try Backend("secure", credentials: credentials)
    defer { backend.server.shutDown() }
    let control = try ControlPlane()
    try control.set("listener", Resources.listener("orders", routes: "r"))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [backend.port])]))
    func tls(_ name: String) -> String {
      Self.transport("\(Self.mutual), \"match_subject_alt_names\": [{\"exact\": \"\(name)\"}]}")
    }
    try control.set("cluster", Resources.cluster("a", extra: tls("orders.test")))
    var bootstrap = try XDSBootstrap(json: ControlPlane.bootstrap(port: try await control.start()))
    bootstrap.certificateProviders["whole"] = XDSCertificateProvider(
      certificateFile: TestCertificates.path("client.crt"), privateKeyFile: TestCertificates.path("client.key"),
      rootsFile: TestCertificates.path("ca.crt"))
    var options = ChannelOptions()
    options.useXDS(XDSResolverFactory(bootstrap: bootstrap))
    let channel = try Channel("xds:///orders", credentials: .xds(fallback: .plaintext), options: options)
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 5) == ["secure": 5])
    #expect(backend.clients.names.withLock { $0 }.contains("client.test"))
    // A channel of other credentials passes that over, and so finds a server that does not understand it.
    let plain = try Channel("xds:///orders", options: options)
    defer { plain.close() }
    await #expect(throws: StatusError.self) { try await Backend.ask(plain, calls: 1) }
    // Another name holds for the connections from then on.
    try control.set("cluster", Resources.cluster("a", extra: tls("elsewhere.test")))
    try await eventually("a server of another name is refused") {
      // Each with connections of its own.
      let another = try Channel("xds:///orders", credentials: .xds(fallback: .plaintext), options: options)
      defer { another.close() }
      do {
        _ = try await Backend.ask(another, calls: 1)
        return false
      } catch let error as StatusError { return error.message.contains("none of the server's names") }
    }
  }
}
