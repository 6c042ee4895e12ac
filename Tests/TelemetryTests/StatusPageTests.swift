import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryObservation
import VoleryStatus
import VoleryTypes

/// What the status page knows, and what it gives out.
@Suite("Status page", .timeLimit(.minutes(1))) struct StatusPageTests {
  /// A time that the test moves on.
  final class Time: Sendable {
    private let passed = Mutex(Duration.zero)
    private let start = Moment.now

    var clock: StatusClock { StatusClock { [self] in passed.withLock { start.advanced(by: $0) } } }

    func pass(_ duration: Duration) { passed.withLock { $0 += duration } }
  }

  /// A channel of which the page is told what the test says.
  struct MadeUpChannel {
    let page: StatusPage
    let channel: ObservedChannel

    init(_ page: StatusPage, target: String = "dns:///orders:50051", authority: String = "orders") {
      self.page = page
      channel = ObservedChannel(target: target, authority: authority)
      tell(.created)
    }

    func tell(_ event: ChannelEvent) { page.happened(event, to: channel) }

    func connect(_ subchannel: Int, to address: SocketAddress) {
      tell(.subchannelCreated(id: subchannel, Endpoint(address)))
      tell(.subchannelChanged(id: subchannel, .ready, error: nil))
    }

    @discardableResult
    func call(_ subchannel: Int, nanoseconds: Int64 = 1_000_000, code: StatusCode = .ok) -> Bool {
      let method = Subject.echo.descriptor
      guard
        let call = page.callStarted(ObservedCall(channel: channel, method: method, deadline: .none))
      else { return false }
      var metadata = Metadata()
      let attempt = ObservedAttempt(
        cause: .first, previousAttempts: 0, peer: Peer(address: .tcp("127.0.0.1", 1)), subchannel: subchannel,
        waited: .zero)
      let watch = call.attemptStarted(attempt, metadata: &metadata)
      watch?.ended(
        AttemptEnd(
          status: Status(code: code), origin: .peer, isComplete: true, trailingMetadata: Metadata(),
          nanoseconds: nanoseconds,
          sent: MessageCount(), received: MessageCount()))
      call.ended(
        CallEnd(status: Status(code: code), origin: .peer, nanoseconds: nanoseconds, furtherAttempts: nil))
      return true
    }
  }

  @Test("the shares of the page are what the servers have counted") func shares() async throws {
    let page = StatusPage()
    var servers: [Server] = []
    defer { for server in servers { server.shutDown() } }
    for _ in 0..<4 {
      var options = ServerOptions()
      options.observers = [page]
      let server = Server(services: [Subject()], options: options)
      _ = try server.start(listeningOn: .tcp("127.0.0.1", 0))
      servers.append(server)
    }
    var options = ChannelOptions()
    options.observers = [page]
    let addresses = page.snapshot.servers.flatMap(\.addresses)
    let channel = try Channel("ipv4:\(addresses.joined(separator: ","))", options: options)
    for _ in 0..<200 { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) }
    await #expect(throws: StatusError.self) { try await channel.unary(Subject.missing, [1], options: Subject.timely) }
    try await eventually("the servers have told of the last call") {
      page.snapshot.servers.allSatisfy { $0.calls.open == 0 }
    }
    let snapshot = page.snapshot
    let shown = try #require(snapshot.channels.first)
    #expect(shown.state == .ready)
    #expect(shown.calls.started == 201 && shown.calls.failed == 1 && shown.calls.open == 0)
    #expect(shown.latency.counts.reduce(0, +) == 201)
    #expect(shown.resolver.endpointCount == 4 && Set(shown.resolver.endpoints) == Set(addresses))
    #expect(shown.endpoints.map(\.address) == addresses.sorted())
    let sum = shown.endpoints.reduce(0) { $0 + $1.calls.recent }
    var failed = 0
    for endpoint in shown.endpoints {
      let server = try #require(snapshot.servers.first { $0.addresses == [endpoint.address] })
      // The channel's own health checks are calls of the server, too.
      let calls = server.methods.filter { $0.name.hasPrefix("test.Subject/") }.map(\.calls)
      #expect(endpoint.calls.started == calls.reduce(0) { $0 + $1.started } && endpoint.state == .ready)
      failed += calls.reduce(0) { $0 + $1.failed }
      #expect(endpoint.share == Double(endpoint.calls.recent) / Double(sum))
      #expect(server.connections == 1)
      #expect(server.methods.first { $0.name == "test.Subject/Echo" }?.calls.started ?? 0 > 20)
    }
    #expect(failed == 1)
    channel.close()
    for server in servers { await server.drain(limit: .seconds(5)) }
    try await eventually("what is closed is not shown") {
      page.snapshot.channels.isEmpty && page.snapshot.servers.isEmpty
    }
  }

  @Test("what is older than a minute counts in no share, and who is gone is not shown for longer") func window() throws
  {
    let time = Time()
    let page = StatusPage(options: StatusOptions(), clock: time.clock)
    let channel = MadeUpChannel(page)
    channel.connect(1, to: .tcp("10.0.0.1", 1))
    channel.connect(2, to: .tcp("10.0.0.2", 1))
    for _ in 0..<3 { channel.call(1) }
    channel.call(2)
    #expect(page.snapshot.channels[0].endpoints.map(\.share) == [0.75, 0.25])
    channel.tell(.subchannelRemoved(id: 1))
    #expect(page.snapshot.channels[0].endpoints.map(\.state) == [nil, .ready])
    time.pass(.seconds(40))
    channel.call(2)
    #expect(page.snapshot.channels[0].endpoints.map(\.calls.recent) == [3, 2])
    time.pass(.seconds(21))
    let shown = page.snapshot.channels[0]
    #expect(shown.endpoints.map(\.address) == ["10.0.0.2:1"])
    #expect(shown.endpoints.map(\.share) == [1] && shown.endpoints.map(\.calls.recent) == [1])
    #expect(shown.calls.started == 5 && shown.calls.recent == 1)
    time.pass(.seconds(3600))
    #expect(page.snapshot.channels[0].endpoints.map(\.share) == [0])
    #expect(page.snapshot.channels[0].latency.percentile(0.5) == nil)
  }

  @Test("calls of 1 ms and of 400 ms are told apart by the classes") func latency() throws {
    let page = StatusPage()
    let channel = MadeUpChannel(page)
    channel.connect(1, to: .tcp("10.0.0.1", 1))
    for _ in 0..<90 { channel.call(1, nanoseconds: 900_000) }
    for _ in 0..<10 { channel.call(1, nanoseconds: 400_000_000) }
    channel.call(1, nanoseconds: 99_000_000_000)
    let latency = page.snapshot.channels[0].latency
    let half = try #require(latency.percentile(0.5))
    let most = try #require(latency.percentile(0.95))
    #expect(half > 0.5 && half <= 1 && most > 250 && most <= 500)
    #expect(latency.percentile(1) == 10_000)
  }

  @Test("ejected servers, failed connections and the resolver's failures are shown, until they are over")
  func troubles() {
    let page = StatusPage()
    let channel = MadeUpChannel(page)
    channel.connect(1, to: .tcp("10.0.0.1", 1))
    func endpoint() -> EndpointStatus { page.snapshot.channels[0].endpoints[0] }
    channel.tell(.subchannelEjected(id: 1))
    #expect(endpoint().ejection == .failures)
    channel.tell(.subchannelReadmitted(id: 1))
    channel.tell(.outlierEjected(id: 1, .successRate))
    #expect(endpoint().ejection == .outlier)
    channel.tell(.outlierReadmitted(id: 1))
    #expect(endpoint().ejection == nil)
    let connection = ObservedConnection(id: 1, subchannel: 1, address: .tcp("10.0.0.1", 1))
    channel.tell(.connectFailed(connection, error: "connection refused", after: .zero))
    #expect(endpoint().error == "connection refused")
    channel.tell(.connected(connection, peer: Peer(address: .tcp("10.0.0.1", 1)), after: .zero))
    #expect(endpoint().error == nil)
    channel.tell(.resolutionFailed(StatusError(.unavailable, "no name server")))
    #expect(page.snapshot.channels[0].resolver.error?.contains("no name server") == true)
    #expect(page.snapshot.channels[0].resolver.age == nil)
    channel.tell(.resolved(endpoints: []))
    #expect(page.snapshot.channels[0].resolver.error == nil && page.snapshot.channels[0].resolver.failures == 1)
    #expect(page.snapshot.channels[0].resolver.age != nil)
  }

  @Test("a name of another's choice is text in the JSON, and no markup anywhere") func hostile() throws {
    let evil = #"</script><img src=x onerror="alert(1)">&'\u{2028}"#
    let page = StatusPage()
    let channel = MadeUpChannel(page, target: "dns:///\(evil)", authority: evil)
    channel.connect(1, to: .unix("/run/\(evil)"))
    channel.tell(.resolved(endpoints: [Endpoint(.inProcess(evil))]))
    channel.tell(.resolutionFailed(StatusError(.unavailable, evil)))
    let connection = ObservedConnection(id: 1, subchannel: 1, address: .unix(evil))
    channel.tell(
      .connectFailed(connection, error: evil + "\u{1b}[31m\n" + String(repeating: "x", count: 9000), after: .zero))
    page.happened(.listening([.unix(evil)]), to: ObservedServer())
    let json = page.json
    let markup = Set("<>&".utf8)
    #expect(json.allSatisfy { $0 >= 0x20 && !markup.contains($0) })
    #expect(json.count < 5000)
    let value = try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any]
    let channels = try #require(value?["channels"] as? [[String: Any]])
    #expect((channels[0]["authority"] as? String)?.hasPrefix("</script><img src=x onerror=") == true)
    #expect(String(decoding: StatusPage.html, as: UTF8.self).components(separatedBy: "</script>").count == 2)
  }

  @Test("nobody else decides on its memory: channels, endpoints and methods have limits") func limits() {
    var options = StatusOptions()
    (options.maxChannels, options.maxEndpoints, options.maxServers) = (2, 3, 1)
    let page = StatusPage(options: options, clock: StatusClock())
    let channels = (0..<5).map { _ in MadeUpChannel(page) }
    let servers = (0..<3).map { _ in ObservedServer() }
    for server in servers { page.happened(.listening([.inProcess("s")]), to: server) }
    #expect(page.snapshot.channels.count == 2 && page.snapshot.servers.count == 1 && page.snapshot.leftOut == 5)
    #expect(!channels[4].call(1))
    for number in 1...10 {
      channels[0].connect(number, to: .tcp("10.0.0.\(number)", 1))
      channels[0].call(number)
    }
    let endpoints = page.snapshot.channels[0].endpoints
    #expect(endpoints.map(\.address) == ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "others"])
    #expect(endpoints.map(\.calls.started) == [1, 1, 1, 7])
    for channel in channels { channel.tell(.closed) }
    for server in servers { page.happened(.stopped, to: server) }
    #expect(page.snapshot.channels.isEmpty && page.snapshot.servers.isEmpty && page.snapshot.leftOut == 0)
  }

  @Test("names that a client makes up are one method") func unknownMethods() async throws {
    var options = StatusOptions()
    options.maxMethods = 2
    let page = StatusPage(options: options)
    try await Subject.run(server: [page]) { channel in
      for number in 0..<5 {
        let method = Method<[UInt8], [UInt8]>(service: "evil.Name\(number)", name: "Call", kind: .unary)
        await #expect(throws: StatusError.self) { try await channel.unary(method, [1], options: Subject.timely) }
      }
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      try await eventually("the server has told of its calls") { page.snapshot.servers[0].calls.open == 0 }
      let server = page.snapshot.servers[0]
      #expect(server.methods.map(\.name) == ["other", "test.Subject/Echo"])
      #expect(server.methods.map(\.calls.started) == [5, 1] && server.calls.failed == 5)
    }
  }

  @Test("the page is one file, of which a browser runs the one script that its header names") func page() async throws {
    let html = String(decoding: StatusPage.html, as: UTF8.self)
    for part in ["http://", "https://", "//cdn", "@import", "url(", "innerHTML", "insertAdjacentHTML", "eval(", " on"] {
      let isThere =
        part == " on" ? html.range(of: #"<[^>]* on[a-z]+="#, options: .regularExpression) != nil : html.contains(part)
      #expect(!isThere, "\(part)")
    }
    let script = try #require(html.components(separatedBy: "<script>").last?.components(separatedBy: "</script>").first)
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("page-\(UUID().uuidString).js")
    try Data(script.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl", "dgst", "-sha256", "-binary", file.path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let hash = try #require(try pipe.fileHandleForReading.readToEnd()).base64EncodedString()
    process.waitUntilExit()
    let policy = try #require(StatusPage.headers.first { $0.name == "content-security-policy" }).value
    #expect(policy.contains("script-src 'sha256-\(hash)'"), "scriptHash has to be \(hash)")
    #expect(policy.hasPrefix("default-src 'none'"))
  }
}
