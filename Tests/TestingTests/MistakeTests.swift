import Foundation
import TestSupport
import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

/// What goes wrong in a new user's first hours, and what he reads then: what was wrong, where, and what to write instead.
@Suite("The usual mistakes", .timeLimit(.minutes(1))) struct MistakeTests {
  /// The text of the error; empty where there is none.
  private static func text(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test(
    "a target that can't be one names itself, and what to write",
    arguments: [
      ("", ["the target is empty", "dns:///orders:50051"]),
      ("http://orders:50051", ["\"http://orders:50051\"", "unknown scheme \"http\"", "write \"dns:///orders:50051\""]),
      ("https://orders/x", ["unknown scheme \"https\"", "write \"dns:///orders\", with the credentials .tls()"]),
      ("grpc://orders:1", ["write \"dns:///orders:1\""]),
      ("dsn:///orders:50051", ["unknown scheme \"dsn\"", "known are: dns, dns+srv, file"]),
      ("dns://orders:50051", ["\"dns://orders:50051\"", "two slashes", "write \"dns:///orders:50051\", with three"]),
      ("dns:///orders:70000", ["\"orders:70000\" is not host or host:port"]),
      ("dns+srv:///_grpc._tcp.orders:50051", ["has a port", "write the name only"]),
      ("ipv4:orders:50051", ["\"orders:50051\" is not an IP address with a port"]),
      ("ipv4://10.0.0.7:50051", ["names nothing to connect to", "write \"ipv4:///10.0.0.7:50051\""]),
    ])
  func targets(_ target: String, _ parts: [String]) async {
    let text = await Self.text { _ = try Channel(target) }
    for part in parts { #expect(text.contains(part), "\(text)") }
  }

  @Test(
    "an address that can't be listened on says why",
    arguments: [
      (ListenAddress.tcp("localhost", 0), ["localhost:0", "\"localhost\" is not an IP address", "\"127.0.0.1\""]),
      (.tcp("127.0.0.1", 70_000), ["127.0.0.1:70000", "a port is 0 to 65535"]),
      (.tcp("192.0.2.1", 0), ["192.0.2.1:0", "address not available"]),
      (.unix("/nowhere/x.sock"), ["unix:/nowhere/x.sock", "no such file or directory"]),
      (.unix("/tmp/" + String(repeating: "x", count: 200)), ["is too long for a socket"]),
    ])
  func listening(_ address: ListenAddress, _ parts: [String]) async {
    let text = await Self.text { try Server(services: [Depot()]).start(listeningOn: address) }
    for part in parts { #expect(text.contains(part), "\(text)") }
  }

  @Test("a port, or a name in the process, that is taken is named") func taken() async throws {
    let server = Server(services: [Depot()])
    defer { server.shutDown() }
    let name = "taken-\(UInt64.random(in: 0 ... .max))"
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0), .inProcess(name))
    guard case .tcp(_, let port) = bound[0] else { return }
    let other = Server(services: [Depot()])
    let text = await Self.text { try other.start(listeningOn: .tcp("127.0.0.1", port)) }
    #expect(text.contains("127.0.0.1:\(port)") && text.contains("address already in use"), "\(text)")
    let second = await Self.text { try other.start(listeningOn: .inProcess(name)) }
    #expect(second.contains("another server of this process listens as \"\(name)\""), "\(second)")
  }

  @Test(
    "a call that can't be made as it is says what to change",
    arguments: [
      ("a key with a space", ["metadata key 'x user' has a character"], CallOptions(metadata: ["x user": "7"])),
      (
        "a value that is not ASCII", ["'x-name' is not printable ASCII", "-bin"],
        CallOptions(metadata: ["x-name": "Zoë"])
      ),
      (
        "a reserved key", ["'grpc-timeout' starts with 'grpc-', which is reserved"],
        CallOptions(metadata: ["grpc-timeout": "1S"])
      ),
      ("no time", ["DEADLINE_EXCEEDED"], CallOptions(timeout: .zero)),
    ])
  func calls(_ what: String, _ parts: [String], _ options: CallOptions) async throws {
    let parcels = ParcelsClient(try .inProcess(Depot()))
    let text = await Self.text { _ = try await parcels.track(Parcel(id: "1"), options: options) }
    for part in parts { #expect(text.contains(part), "\(what): \(text)") }
  }

  @Test("a message over a limit names the limit, on whichever side it is") func tooLarge() async throws {
    let large = Parcel(id: String(repeating: "x", count: 5 << 20))
    let server = Server(services: [Depot()])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let parcels = ParcelsClient(try Channel("ipv4:\(address)"))
    let request = await Self.text { _ = try await parcels.track(large) }
    #expect(request.contains("is over the server's limit of 4194304"), "\(request)")
    var options = ServerOptions()
    options.maxRequestMessageBytes = 16 << 20
    let tolerant = ParcelsClient(try .inProcess(Depot(), serverOptions: options))
    let response = await Self.text { _ = try await tolerant.track(large) }
    #expect(response.contains("is over the client's limit of 4194304"), "\(response)")
  }

  @Test("a server that nobody runs, and one that speaks another protocol, are told from each other") func nobodyThere()
    async throws
  {
    let server = Server(services: [Depot()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let roots = TLSRoots.system
    let tls = ParcelsClient(try Channel("ipv4:\(address)", credentials: .tls(roots: roots)))
    let plaintext = await Self.text { _ = try await tls.track(Parcel(), options: CallOptions(timeout: .seconds(20))) }
    #expect(plaintext.contains("TLS") && plaintext.contains("\(address)"), "\(plaintext)")
    let unknown = Method<[UInt8], [UInt8]>(service: "shop.Orders", name: "Get", kind: .unary)
    let channel = try Channel("ipv4:\(address)")
    let service = await Self.text { _ = try await channel.unary(unknown, []) }
    #expect(service.contains("unknown service: /shop.Orders/Get"), "\(service)")
    server.shutDown()
    // The listener is closed in a turn of its loop.
    try await eventually("the refusal is told with its address") {
      let other = try Channel("ipv4:\(address)")
      let refused = await Self.text { _ = try await other.unary(unknown, []) }
      return refused.contains("\(address)") && refused.contains("connection refused")
    }
    await channel.drain()
    let closed = await Self.text { _ = try await channel.unary(unknown, []) }
    #expect(closed.contains("the channel is closed"), "\(closed)")
  }

  @Test("a service config and a policy that can't be used name the place") func configuration() async {
    let json = await Self.text { _ = try ServiceConfig(json: #"{"methodConfig": [{"timeout": "1"}]}"#) }
    #expect(json.contains("timeout"), "\(json)")
    let policy = await Self.text {
      var options = ChannelOptions()
      options.loadBalancingPolicy = "round_robbin"
      _ = try Channel("ipv4:127.0.0.1:1", options: options)
    }
    #expect(policy.contains("round_robbin") && policy.contains("round_robin"), "\(policy)")
    let files = await Self.text {
      let server = Server(
        services: [], credentials: .tls(certificate: .file("/nowhere.crt"), key: .file("/nowhere.key")))
      try server.start(listeningOn: .tcp("127.0.0.1", 0))
    }
    #expect(files.contains("/nowhere.crt"), "\(files)")
  }

  // MARK: What ends the program, because only another program would help

  @Test("a service that is registered twice") func twice() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Server(services: [Depot(), Depot()])
    }
    try Self.expect(result, "/volery.tests.parcels.Parcels/", "has two handlers: a server takes each service once")
  }

  @Test("a limit that lets nobody through") func noCalls() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = ConcurrencyLimit(0)
    }
    try Self.expect(result, "a limit of 0 calls would let none through")
  }

  @Test("more interceptors than there may be") func manyInterceptors() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var options = ServerOptions()
      options.interceptors = Array(repeating: RequestID(), count: 65)
      _ = Server(services: [], options: options)
    }
    try Self.expect(result, "a server can have 64 interceptors, not 65")
  }

  @Test("binary metadata under a key for text") func binaryKey() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var metadata = Metadata()
      metadata.append(binary: [1], for: "x-key")
    }
    try Self.expect(result, "binary metadata needs a key that ends in -bin, not 'x-key'")
  }

  @Test("requests for a method that takes one") func requests() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      try TestCall(ParcelsMethods.track).send(Parcel())
    }
    try Self.expect(
      result, "/volery.tests.parcels.Parcels/Track takes one request, which its handler is given directly")
  }

  /// Optimised code that is not this package's own has no texts for what ends the program.
  private static func expect(_ result: ExitTest.Result?, _ parts: String...) throws {
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    for part in parts { #expect(text.contains(part), "\(text)") }
  }
}
