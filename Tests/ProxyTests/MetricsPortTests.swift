import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryPrometheus

/// The port of a proxy that tells its metrics: what it says of the calls, and what it does with whoever asks.
@Suite("A metrics port", .serialized, .timeLimit(.minutes(2))) struct MetricsPortTests {
  /// One HTTP connection, on a thread that may wait.
  private final class Client: @unchecked Sendable {
    private let descriptor: Int32

    init(_ port: Int) throws {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      var limit = timeval(tv_sec: 30, tv_usec: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
      setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      let code = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      if code != 0 { throw NeverHappened("no connection to \(port)") }
    }

    deinit { close(descriptor) }

    /// As much as the other end takes.
    func say(_ text: String) {
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard count > 0 else { return }
        rest = rest.dropFirst(count)
      }
    }

    /// All that comes until the other end closes the connection. Nil: it does not within the limit.
    func hear() -> String? {
      var heard: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return count < 0 && errno == EAGAIN ? nil : String(decoding: heard, as: UTF8.self) }
        heard += buffer[..<count]
      }
    }
  }

  private static func ask(_ port: Int, _ request: String = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n") async throws
    -> String
  {
    try await blocking {
      let client = try Client(port)
      client.say(request)
      guard let answer = client.hear() else { throw NeverHappened("an answer to \(request.prefix(40))") }
      return answer
    }
  }

  /// A port that answers with a text.
  private static func with<Result>(
    _ text: String = "up 1\n", limit: Duration = .seconds(10), isolation: isolated (any Actor)? = #isolation,
    _ body: (Int) async throws -> Result
  ) async throws -> Result {
    let port = try MetricsPort(listeningOn: .tcp(host: "127.0.0.1", port: 0), limit: limit) { text }
    defer { port.stop() }
    guard case .tcp(_, let number) = port.address else { throw NeverHappened("a port") }
    return try await body(number)
  }

  /// A server that counts its calls.
  private final class Counting: Service {
    let ok = Atomic<Int>(0)
    let failed = Atomic<Int>(0)

    var handlers: [MethodHandler] {
      [
        .unary(Echo.unary) { [self] request, _ in
          ok.add(1, ordering: .relaxed)
          return request
        },
        .unary(Echo.fail) { [self] _, _ in
          failed.add(1, ordering: .relaxed)
          throw StatusError(.failedPrecondition, "asked")
        },
      ]
    }
  }

  @Test("what volery-proxy tells of its calls is what the servers have counted, by method, status and server")
  func figures() async throws {
    let services = [Counting(), Counting(), Counting()]
    let servers = services.map { Server(services: [$0]) }
    let bound = try servers.map { try $0.start(listeningOn: .tcp("127.0.0.1", 0))[0] }
    defer { for server in servers { server.shutDown() } }
    let program = try await ProxyProgram(
      target: "static:///" + bound.map { "\($0)" }.joined(separator: ","), "--metrics", "127.0.0.1:0")
    let port = try await program.metricsPort()
    let channels = try (0..<4).map { _ in try Channel("\(program.address)") }
    for index in 0..<120 {
      _ = try await channels[index % 4].unary(Echo.unary, [1])
      if index % 10 == 0 {
        await #expect(throws: StatusError.self) { _ = try await channels[index % 4].unary(Echo.fail, [65]) }
      }
    }
    // A call is counted when it has ended, which its client may hear of first.
    var lines: [Substring] = []
    func sum(_ name: String, _ parts: String...) -> Int {
      lines.filter { line in line.hasPrefix(name) && parts.allSatisfy { line.contains($0) } }
        .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }
    let name = "grpc_client_call_duration_seconds_count"
    try await eventually("all calls are counted") {
      let answer = try await Self.ask(port)
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
      lines = answer.split(separator: "\n")
      return sum(name, "test.Echo/Unary", "\"OK\"") == 120
        && sum(name, "test.Echo/Fail", "\"FAILED_PRECONDITION\"") == 12
    }
    for (service, address) in zip(services, bound) {
      let counted = service.ok.load(ordering: .relaxed) + service.failed.load(ordering: .relaxed)
      #expect(counted > 0)
      #expect(sum("volery_channel_picks_total", "volery_endpoint=\"\(address)\"") == counted)
    }
    #expect(sum(name) == 132)
    #expect(!lines.contains { $0.contains("message_size") }, "the proxy looks at no message")
    #expect(sum("volery_server_open_connections") >= 4, "\(lines.filter { $0.contains("connections") })")
    #expect(try await program.stop() == 0)
  }

  @Test("a proxy without the option has no metrics and no port for them") func off() async throws {
    let program = try await ProxyProgram(target: "static:///127.0.0.1:1")
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(program.process.pid)/fd")
    // Foundation takes the first piece of such a file for all of it, which a machine with many sockets is not done with.
    let sockets = try ChildProcess.run(["cat", "/proc/\(program.process.pid)/net/tcp"]).output
    let listening = sockets.split(separator: "\n").filter { line in
      let fields = line.split(separator: " ")
      return fields.count > 9 && fields[3] == "0A"
        && descriptors.contains { descriptor in
          let target = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(program.process.pid)/fd/\(descriptor)")
          return target == "socket:[\(fields[9])]"
        }
    }
    #expect(listening.count == 1)
    #expect(try await program.stop() == 0)
  }

  @Test(
    "a request gets what it asks for, or is told why not, and then the connection ends",
    arguments: [
      ("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", "200"), ("GET /metrics HTTP/1.0\r\n\r\n", "200"),
      ("GET /metrics?x=1 HTTP/1.1\r\nhost: x\r\n\r\n", "200"), ("GET /metrics HTTP/1.1\n\n", "200"),
      ("\r\nGET /metrics HTTP/1.1\r\n\r\n", "200"), ("GET / HTTP/1.1\r\n\r\n", "404"),
      ("GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n", "404"), ("GET http://x/metrics HTTP/1.1\r\n\r\n", "404"),
      ("POST /metrics HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello", "405"),
      ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
      ("GET /metrics HTTP/9\r\n\r\n", "505"), ("GET /metrics\r\n\r\n", "400"), ("get /metrics HTTP/1.1\r\n\r\n", "400"),
      ("GET  /metrics HTTP/1.1\r\n\r\n", "400"), ("\u{16}\u{3}\u{1}\r\n\r\n", "400"), ("x\n\n", "400"),
      ("GET /metrics HTTP/1.1\r\nx: " + String(repeating: "a", count: 9000), "431"),
      (String(repeating: "\r\n", count: 5000), "431"),
      ("GET /metrics HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 2000) + "\r\n", "431"),
      ("GET /metrics HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", "200"),
    ])
  func requests(_ request: String, _ status: String) async throws {
    try await Self.with { port in
      let answer = try await Self.ask(port, request)
      let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
      #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && answer.contains("connection: close"), "\(answer)")
      #expect(parts.count == 2 && parts[0].contains("content-length: \(parts[1].utf8.count)"), "\(answer)")
      #expect((parts.last == "up 1\n") == (status == "200"), "\(answer)")
    }
  }

  @Test("HEAD has the length and no body") func head() async throws {
    try await Self.with { port in
      let answer = try await Self.ask(port, "HEAD /metrics HTTP/1.1\r\n\r\n")
      #expect(answer.contains("content-length: 5\r\n") && answer.hasSuffix("\r\n\r\n"), "\(answer)")
    }
  }

  @Test("a request that comes byte by byte is one, and a body of a megabyte does not keep the answer from its reader")
  func pieces() async throws {
    try await Self.with { port in
      let answer = try await blocking {
        let client = try Client(port)
        for character in "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" { client.say(String(character)) }
        return client.hear()
      }
      #expect(answer?.hasSuffix("up 1\n") == true)
      let body = String(repeating: "b", count: 1 << 20)
      let refusal = try await Self.ask(port, "POST /metrics HTTP/1.1\r\ncontent-length: 1048576\r\n\r\n\(body)")
      #expect(refusal.hasPrefix("HTTP/1.1 405 "))
    }
  }

  @Test("whoever says nothing, never ends its head, or never reads is cut off, and others are answered") func slow()
    async throws
  {
    // More than the kernel takes for a reader that does not read.
    try await Self.with(String(repeating: "x 1\n", count: 4 << 20), limit: .milliseconds(300)) { port in
      let (silent, endless, unread) = (try Client(port), try Client(port), try Client(port))
      endless.say("GET /metrics HTTP/1.1\r\nx: ")
      unread.say("GET /metrics HTTP/1.1\r\n\r\n")
      let (first, second) = try await blocking { (silent.hear(), endless.hear()) }
      #expect(first == "" && second == "")
      let third = try await blocking { unread.hear() }
      #expect((third?.utf8.count ?? 0) < 16 << 20)
      #expect(try await Self.ask(port, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
    }
  }

  @Test("there are 16 connections at the most, and room again when they have gone") func crowd() async throws {
    try await Self.with(limit: .seconds(60)) { port in
      var crowd = try (0..<MetricsPort.mostConnections).map { _ in try Client(port) }
      let further = try Client(port)
      further.say("GET /metrics HTTP/1.1\r\n\r\n")
      let answer = try await blocking { further.hear() }
      #expect(answer == "", "one more is closed without a word")
      crowd.removeAll()
      try await eventually("there is room again") { try await Self.ask(port).hasSuffix("up 1\n") }
    }
  }

  @Test("it listens on a path, and can't listen where somebody else does") func places() async throws {
    try await Self.with { port in
      let error = #expect(throws: SocketError.self) {
        _ = try MetricsPort(listeningOn: .tcp(host: "127.0.0.1", port: port)) { "" }
      }
      #expect(error?.description.contains("can't listen on 127.0.0.1:\(port)") == true)
    }
  }
}
