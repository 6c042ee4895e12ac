import Foundation
import TestSupport
import Testing
import Volery
import VoleryKubernetes
import VoleryNameResolution

@Suite("The k8s resolver beside a stand-in of the API server", .serialized, .timeLimit(.minutes(3)))
struct KubernetesResolverTests {
  @Test("lists all slices of the Service and no others, in pages, and follows each change") func follows() async throws
  {
    let api = try StandIn()
    try api.tell("fault", ["page": "1"])
    try api.put("b", ["10.0.0.3"], ["first": "2", "zone": "eu-1a", "hints": "eu-1a+eu-1b"])
    try api.put("a", ["10.0.0.1", "10.0.0.2"])
    try api.put("other", ["10.9.9.9"], ["service": "payments", "pod": "payments"])
    try api.put("elsewhere", ["10.8.8.8"], ["namespace": "test", "pod": "test"])
    let heard = try Heard(try api.factory())
    try await heard.wait(for: ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    let attributes = heard.resolutions.last?.endpoints.last?.attributes
    #expect(attributes?.zone == "eu-1a" && attributes?.zoneHints == ["eu-1a", "eu-1b"])
    #expect(
      attributes?.kubernetesPod
        == KubernetesPod(name: "orders-2", namespace: "shop", nodeName: "node-2", uid: "uid-orders-2"))
    #expect(heard.resolutions.last?.note.contains("shop/orders, by http://127.0.0.1:\(api.port)") == true)
    let requests = try api.requests
    #expect(requests.filter { $0.verb == "list" }.count == 2, "a page for each of its slices")
    #expect(requests.first?.resourceVersion == "0")
    #expect(requests.allSatisfy { $0.labelSelector == "kubernetes.io/service-name=orders" })

    try api.put("a", ["10.0.0.1", "10.0.0.2"], ["not_ready": "10.0.0.2"])
    try await heard.wait(for: ["10.0.0.1", "10.0.0.3"])
    try api.put("c", ["10.0.0.7"], ["first": "6"])
    try await heard.wait(for: ["10.0.0.1", "10.0.0.3", "10.0.0.7"])
    // The other family of the same pods.
    try api.put("d", ["fd00::7"], ["first": "6", "family": "IPv6"])
    try await heard.wait(for: ["10.0.0.1", "10.0.0.3", "fd00::7 10.0.0.7"])
    try api.tell("delete", ["name": "c"])
    try await heard.wait(for: ["10.0.0.1", "10.0.0.3", "fd00::7"])
    #expect(heard.failures.isEmpty)
  }

  @Test(
    "a watch that ends goes on from the last version: nothing is listed anew, nothing missed",
    arguments: ["whole", "cut"])
  func resumes(_ how: String) async throws {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    let heard = try Heard(try api.factory())
    try await heard.wait(for: ["10.0.0.1"])
    try api.put("a", ["10.0.0.2"])
    try await heard.wait(for: ["10.0.0.2"])
    try api.tell("bookmark")
    try await eventually("a watch runs") { try api.requests.contains { $0.verb == "watch" } }
    try api.tell("forget")
    try api.tell("end", ["how": how])
    try api.put("a", ["10.0.0.3"])
    try await heard.wait(for: ["10.0.0.3"])
    let requests = try api.requests
    #expect(requests.allSatisfy { $0.verb == "watch" && $0.allowWatchBookmarks == "true" })
    // 1001: the slice, 1002: its change, 1003: the bookmark, if it came before the end.
    #expect(["1002", "1003"].contains(requests.first?.resourceVersion))
    #expect(heard.failures.isEmpty, "what is mended at once is nobody's business")
  }

  @Test("410, in the stream or as a status, lists anew, and until then the old answer holds", arguments: [false, true])
  func gone(_ byStatus: Bool) async throws {
    let api = try StandIn()
    try api.tell("fault", ["is_gone_by_status": "\(byStatus)"])
    try api.put("a", ["10.0.0.1"])
    let heard = try Heard(try api.factory())
    try await heard.wait(for: ["10.0.0.1"])
    try await eventually("a watch runs") { try api.requests.contains { $0.verb == "watch" } }
    try api.tell("forget")
    try api.tell("quiet", ["name": "a", "addresses": "10.0.0.2", "port": "50051"])
    try api.tell("compact")
    try api.tell("end", ["how": byStatus ? "cut" : "gone"])
    try await heard.wait(for: ["10.0.0.2"])
    let list = try api.requests.first { $0.verb == "list" }
    #expect(list != nil && list?.resourceVersion == nil, "the newest, and not what the server has at hand")
    #expect(heard.failures.isEmpty)
    #expect(heard.resolutions.allSatisfy { !$0.endpoints.isEmpty }, "there was no gap")
  }

  @Test("events that come byte by byte, and many in one piece") func pieces() async throws {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    let heard = try Heard(try api.factory())
    try await heard.wait(for: ["10.0.0.1"])
    try api.tell("fault", ["slow": "true"])
    try api.put("a", ["10.0.0.2"])
    try await heard.wait(for: ["10.0.0.2"])
    try api.tell("fault", ["slow": "false"])
    for index in 3...20 { try api.put("a", ["10.0.0.\(index)"]) }
    try await heard.wait(for: ["10.0.0.20"])
  }

  @Test("an API server that is away: the last answer holds, one failure is told, and it is found again")
  func away() async throws {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    let heard = try Heard(try api.factory())
    try await heard.wait(for: ["10.0.0.1"])
    try api.tell("down")
    try await heard.wait(forFailure: "can't be reached")
    try api.put("a", ["10.0.0.2"])
    try api.tell("up")
    try await heard.wait(for: ["10.0.0.2"])
    #expect(heard.failures.count <= 2, "cut, and then refused: \(heard.failures)")
    #expect(heard.resolutions.allSatisfy { !$0.endpoints.isEmpty })
  }

  @Test("RBAC denied: the text names the rule that is missing; granted later, it works by itself") func denied()
    async throws
  {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    try api.tell("fault", ["forbids": "list+watch"])
    let heard = try Heard(try api.factory())
    try await heard.wait(forFailure: "cannot list resource")
    let text = try #require(heard.failures.first)
    for word in [
      "403", "discovery.k8s.io", "endpointslices", "get", "list", "watch", "system:serviceaccount:shop:default",
      "RoleBinding",
    ] {
      #expect(text.contains(word))
    }
    try api.tell("fault", ["forbids": "watch"])
    try await heard.wait(for: ["10.0.0.1"])
    try await heard.wait(forFailure: "cannot watch resource")
    try api.tell("fault", ["forbids": ""])
    try api.put("a", ["10.0.0.2"])
    try await heard.wait(for: ["10.0.0.2"])
  }

  @Test("the channel logs one line when it can't be asked, and one when it can again") func oneLine() async throws {
    let api = try StandIn()
    try api.put("a", ["127.0.0.1"])
    var options = ChannelOptions()
    let log = LogRecorder()
    options.logger = log.logger
    options.resolvers.register(try api.factory())
    let channel = try Channel("k8s:///orders.shop:grpc", options: options)
    defer { channel.close() }
    let method = Method<[UInt8], [UInt8]>(service: "x", name: "y", kind: .unary)
    await #expect(throws: StatusError.self) {
      try await channel.unary(method, [], options: CallOptions(timeout: .seconds(2)))
    }
    try api.tell("fault", ["forbids": "list+watch"])
    try api.tell("end", ["how": "whole"])
    _ = try await log.line(containing: "cannot watch resource")
    try api.tell("forget")
    try await eventually("it is asked again and again") { try api.requests.count > 5 }
    #expect(log.lines.filter { $0.contains("resolving failed") }.count == 1)
    try api.tell("fault", ["forbids": ""])
    _ = try await log.line(containing: "resolving works again")
  }

  @Test("DNS is asked while the API server has never answered, with one line that says why") func fallback()
    async throws
  {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    try api.tell("fault", ["forbids": "list"])
    var factory = try api.factory()
    factory.usesDNS = true
    let log = LogRecorder()
    factory.logger = log.logger
    factory.resolverInsteadOfDNS = { target in
      #expect("\(target)" == "dns+srv:///_grpc._tcp.orders.shop.svc")
      return Fixed(Resolution(endpoints: [Endpoint(.tcp("10.7.7.7", 50051))], note: "one address"))
    }
    let heard = try Heard(factory)
    try await heard.wait(for: ["10.7.7.7"])
    let line = try await log.line(containing: "DNS is asked instead")
    #expect(line.contains("warning") && line.contains("RoleBinding"))
    try api.tell("fault", ["forbids": ""])
    try await heard.wait(for: ["10.0.0.1"])
    _ = try await log.line(containing: "DNS is not asked any more")
    #expect(log.lines.count == 2)
    #expect(heard.failures.isEmpty)
  }

  private final class Fixed: Resolver {
    private let resolution: Resolution
    init(_ resolution: Resolution) { self.resolution = resolution }
    func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
      _ = publish(.resolved(resolution))
      await untilCancelled()
    }
    func resolveNow(_ cause: ResolveCause) {}
  }

  @Test(
    "nonsense in a watch: the last answer holds, and it is listed anew",
    arguments: [
      "this is not JSON", #"{"type":"ADDED","object":{}}"#,
      #"{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"9"}}}"#, "LONG",
    ])
  func nonsense(_ line: String) async throws {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    var factory = try api.factory()
    factory.limits.maxEventBytes = 10_000
    let heard = try Heard(factory)
    try await heard.wait(for: ["10.0.0.1"])
    try await eventually("a watch runs") { try api.requests.contains { $0.verb == "watch" } }
    try api.tell("forget")
    try api.tell("raw", ["line": line == "LONG" ? String(repeating: "x", count: 20_000) : "\(line)\n"])
    try await eventually("it is listed anew") { try api.requests.contains { $0.verb == "list" } }
    try api.put("a", ["10.0.0.2"])
    try await heard.wait(for: ["10.0.0.2"])
    #expect(heard.resolutions.allSatisfy { !$0.endpoints.isEmpty })
  }

  @Test("a server that is overloaded, and one whose list is too large, are failures that pass") func failures()
    async throws
  {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    try api.tell("fault", ["status": "503", "retry_after": "1"])
    var factory = try api.factory()
    factory.limits.maxListBytes = 900
    let heard = try Heard(factory)
    try await heard.wait(forFailure: "can't answer now (503)")
    try api.tell("fault", ["status": "null", "retry_after": "null"])
    try await heard.wait(forFailure: "more than 900 bytes")
    try api.tell("delete", ["name": "a"])
    try await eventually("an empty answer says why") {
      heard.resolutions.last?.note.contains("no EndpointSlice") == true
    }
  }

  @Test("watches that end as soon as they begin do not make it ask in a loop") func noLoop() async throws {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    try api.tell("fault", ["ends_early": "true"])
    var factory = try api.factory()
    factory.backoff.initial = .seconds(60)
    factory.backoff.maximum = .seconds(60)
    let heard = try Heard(factory)
    try await heard.wait(for: ["10.0.0.1"])
    try await eventually("a watch was begun") { try api.requests.count == 2 }
    let other = try Heard(try api.factory(), "k8s:///orders.shop:grpc")
    try await eventually("another one asks often") { try api.requests.count > 8 }
    #expect(try api.requests.filter { $0.verb == "list" }.count == 2)
    withExtendedLifetime((heard, other)) {}
  }

  @Test("channels to one Service share one watch, whichever port they want, and the last one ends it") func shared()
    async throws
  {
    let api = try StandIn()
    try api.put("a", ["10.0.0.1"])
    let factory = try api.factory()
    var first: Heard? = try Heard(factory)
    var second: Heard? = try Heard(factory, "k8s:///orders.shop.svc:7")
    try await first?.wait(for: ["10.0.0.1"])
    try await second?.wait(for: ["10.0.0.1"])
    try await eventually("a watch runs") { try api.requests.contains { $0.verb == "watch" } }
    #expect(try api.requests.count == 2)
    #expect(
      second?.resolutions.last?.endpoints == [
        Endpoint(.tcp("10.0.0.1", 7), attributes: second!.resolutions.last!.endpoints[0].attributes)
      ])
    first = nil
    try api.put("a", ["10.0.0.2"])
    try await second?.wait(for: ["10.0.0.2"])
    second = nil
    try await eventually("who comes later lists anew") {
      let third = try Heard(factory)
      try await third.wait(for: ["10.0.0.2"])
      return try api.requests.filter { $0.verb == "list" }.count == 2
    }
  }

  @Test("TLS with the pod's CA and token, both read anew: a token that has expired, and then a fresh one")
  func rotated() async throws {
    let api = try StandIn(isTLS: true)
    try api.put("a", ["10.0.0.1"])
    let cluster = try KubernetesCluster.server(
      "https://127.0.0.1:\(api.port)", tokenFile: "\(api.folder)/token", roots: .file("\(api.folder)/ca.crt"))
    let heard = try Heard(try api.factory(cluster))
    try await heard.wait(for: ["10.0.0.1"])
    try api.write("second-token", to: "token")
    try api.tell("end", ["how": "whole"])
    try api.put("a", ["10.0.0.2"])
    try await heard.wait(for: ["10.0.0.2"])
    #expect(heard.failures.isEmpty)
    // Another CA than the server's, and the right one again.
    try FileManager.default.removeItem(atPath: "\(api.folder)/ca.crt")
    try FileManager.default.copyItem(atPath: TestCertificates.path("other-ca.crt"), toPath: "\(api.folder)/ca.crt")
    try api.tell("end", ["how": "whole"])
    try await heard.wait(forFailure: "certificate")
    try FileManager.default.removeItem(atPath: "\(api.folder)/ca.crt")
    try FileManager.default.copyItem(atPath: TestCertificates.path("ca.crt"), toPath: "\(api.folder)/ca.crt")
    try api.put("a", ["10.0.0.3"])
    try await heard.wait(for: ["10.0.0.3"])
  }

  @Test("a kubeconfig with a client certificate inline; a token that is refused says so") func kubeconfig() async throws
  {
    let api = try StandIn(isTLS: true)
    try api.put("a", ["10.0.0.1"], ["namespace": "home", "service": "orders"])
    func data(_ name: String) throws -> String {
      try Data(contentsOf: URL(fileURLWithPath: TestCertificates.path(name))).base64EncodedString()
    }
    func config(_ user: String) throws -> String {
      """
      current-context: c
      clusters: [{name: k, cluster: {server: "https://127.0.0.1:\(api.port)", certificate-authority-data: \(try data("ca.crt"))}}]
      contexts: [{name: c, context: {cluster: k, user: u, namespace: home}}]
      users: [{name: u, user: \(user)}]
      """
    }
    try api.write(try config("{token: stale}"), to: "config")
    let heard = try Heard(try api.factory(.kubeconfig(path: "\(api.folder)/config")), "k8s:///orders")
    try await heard.wait(forFailure: "does not accept the credentials (401)")
    let certificate = "{client-certificate-data: \(try data("client.crt")), client-key-data: \(try data("client.key"))}"
    try api.write(try config(certificate), to: "config")
    try await heard.wait(for: ["10.0.0.1"])
  }
}
