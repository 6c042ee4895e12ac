import Foundation
import Synchronization
import TestSupport
import Testing
import Volery

/// Interceptors of one end, with grpcio at the other: order, targeting, answers of their own, streams and errors.
@Suite("Interceptors with grpcio", .serialized, .timeLimit(.minutes(2))) struct InterceptorInteropTests {
  static func method(_ name: String, _ kind: MethodKind = .unary) -> Method<[UInt8], [UInt8]> {
    Method(service: "test.Mirror", name: name, kind: kind)
  }
  static let unary = method("Unary")
  static let count = method("Count", .serverStreaming)
  static let collect = method("Collect", .clientStreaming)
  static let chat = method("Chat", .bidirectional)
  static let fails = method("Fails")

  final class Journal: Sendable {
    private let state = Mutex<[String]>([])
    func note(_ line: String) { state.withLock { $0.append(line) } }
    var lines: [String] { state.withLock { $0 } }
  }

  // MARK: Ours at the server

  /// As the Python server of these tests.
  struct Mirror: Service {
    let journal: Journal

    private func see(_ context: ServerContext) {
      journal.note("handler \(context.method.name)")
      context.initialMetadata["x-seen"] = context.metadata.values("x-mark").joined(separator: ",")
      context.trailingMetadata["x-end"] = "end"
    }

    var handlers: [MethodHandler] {
      [
        .unary(InterceptorInteropTests.unary) { request, context in
          see(context)
          return request
        },
        .serverStreaming(InterceptorInteropTests.count) { request, writer, context in
          see(context)
          for number in 0..<(request.first ?? 0) { try await writer.write([number]) }
        },
        .clientStreaming(InterceptorInteropTests.collect) { requests, context in
          see(context)
          return try await requests.reduce(into: [UInt8]()) { $0 += $1 }
        },
        .bidirectional(InterceptorInteropTests.chat) { requests, writer, context in
          see(context)
          for try await request in requests { try await writer.write(request) }
        },
        .unary(InterceptorInteropTests.fails) { _, context in
          see(context)
          throw StatusError(.notFound, "nothing here")
        },
      ]
    }
  }

  struct ServerMark: ServerInterceptor {
    let name: String
    let journal: Journal
    func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
      journal.note("\(name) before \(call.method.name)")
      call.metadata.append(name, for: "x-mark")
      defer { journal.note("\(name) after") }
      try await next()
    }
  }

  /// Answers, refuses, maps and errs as the client's metadata says.
  struct Desk: ServerInterceptor {
    struct Secret: Error {}
    func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
      if call.metadata["x-cache"] != nil {
        for _ in 0..<(call.method.kind == .serverStreaming ? 2 : 1) { call.respond(bytes: [42]) }
        call.context.trailingMetadata["x-hint"] = "from the cache"
        return
      }
      if call.metadata["x-refuse"] != nil {
        throw StatusError(.unauthenticated, "no token", metadata: ["x-hint": "bring one"])
      }
      if call.metadata["x-break"] != nil { throw Secret() }
      if call.metadata["x-idle"] != nil { return }
      do { try await next() } catch let error as StatusError where error.code == .notFound {
        throw StatusError(.failedPrecondition, "mapped: \(error.message)")
      }
    }
  }

  private struct Report: Decodable, Equatable {
    var name = ""
    var messages: [[UInt8]] = []
    var code = "OK"
    var details = ""
    var seen = ""
    var end = ""
    var hint = ""
  }

  @Test("a server's: grpcio's client sees what they have made of each call") func server() async throws {
    let journal = Journal()
    var options = ServerOptions()
    options.interceptors = [
      ServerMark(name: "a", journal: journal),
      ServerMark(name: "b", journal: journal).only(methods: ["/test.Mirror/Unary", "/test.Mirror/Chat"]),
      Desk(),
    ]
    let server = Server(services: [Mirror(journal: journal)], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let (output, code) = try InteropTests.run([
      InteropTests.python(), InteropTests.script("interceptors.py"), "client", "\(address)",
    ])
    #expect(code == 0)
    let reports = try output.split(separator: "\n").map { try JSONDecoder().decode(Report.self, from: Data($0.utf8)) }
    #expect(
      reports == [
        Report(name: "unary", messages: [[5]], seen: "a,b", end: "end"),
        Report(name: "count", messages: [[0], [1], [2]], seen: "a", end: "end"),
        Report(name: "collect", messages: [[1, 2]], seen: "a", end: "end"),
        Report(name: "chat", messages: [[1], [2]], seen: "a,b", end: "end"),
        Report(name: "fails", code: "FAILED_PRECONDITION", details: "mapped: nothing here", seen: "a", end: "end"),
        Report(name: "cached", messages: [[42]], hint: "from the cache"),
        Report(name: "cached stream", messages: [[42], [42]], hint: "from the cache"),
        Report(name: "refused", code: "UNAUTHENTICATED", details: "no token", hint: "bring one"),
        Report(name: "broken", code: "UNKNOWN", details: "the handler has failed"),
        Report(name: "idle", code: "INTERNAL", details: "an interceptor of the server neither went on nor answered"),
        Report(name: "unknown", code: "UNIMPLEMENTED", details: "unknown service: /test.Nobody/Knows"),
      ], "\(output)")
    let lines = journal.lines
    #expect(lines.prefix(5) == ["a before Unary", "b before Unary", "handler Unary", "b after", "a after"])
    #expect(lines.count { $0.hasPrefix("handler") } == 5, "what they have answered, refused or lost came to no handler")
    #expect(lines.suffix(2) == ["a before Knows", "a after"])
    await server.drain()
  }

  // MARK: Ours at the client

  struct ClientMark: ClientInterceptor {
    let name: String
    let journal: Journal
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      journal.note("\(name) before \(call.method.name)")
      call.metadata.append(name, for: "x-mark")
      do {
        try await next()
        journal.note("\(name) after, \(call.trailingMetadata["x-end"] ?? "no end")")
      } catch {
        journal.note("\(name) after \((error as? StatusError)?.code.description ?? "\(error)")")
        throw error
      }
    }
  }

  struct Around: ClientInterceptor {
    let body: @Sendable (ClientInvocation, ClientInvocation.Next) async throws -> Void
    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws { try await body(call, next) }
  }

  @Test("a client's: grpcio's server sees what they have made of each call, and they see its answer")
  func client() async throws {
    let process = try ChildProcess([InteropTests.python(), InteropTests.script("interceptors.py"), "server"])
    let port = try #require(process.readLine().line.split(separator: ":").last)
    let journal = Journal()
    let timely = CallOptions(timeout: .seconds(30))
    var options = ChannelOptions()
    options.interceptors = [ClientMark(name: "a", journal: journal)]
    let channel = try Channel("ipv4:127.0.0.1:\(port)", options: options)
    let mapping = Around { call, next in
      do { try await next() } catch let error as StatusError where error.code == .notFound {
        throw StatusError(.failedPrecondition, "mapped: \(error.message)")
      }
    }
    let hooks = Around { call, next in
      call.onRequest { message in message.replace(withBytes: try message.bytes() + [1]) }
      call.onResponse { message in message.replace(withBytes: try message.bytes() + [2]) }
      try await next()
    }
    let invoker = CallInvoker(
      channel,
      interceptors: [
        ClientMark(name: "b", journal: journal).only(methods: ["/test.Mirror/Unary", "/test.Mirror/Chat"]), mapping,
        hooks.only { $0.name == "Unary" || $0.name == "Chat" },
      ])
    let response = try await invoker.unary(Self.unary, [5], options: timely)
    #expect(response.message == [5, 1, 2] && response.initialMetadata["x-seen"] == "a,b")
    #expect(journal.lines == ["a before Unary", "b before Unary", "b after, end", "a after, end"])

    var numbers: [[UInt8]] = []
    for try await number in invoker.serverStreaming(Self.count, [3], options: timely) { numbers.append(number) }
    #expect(numbers == [[0], [1], [2]])
    let upload = invoker.clientStreaming(Self.collect, options: timely)
    for number in 0..<3 { try await upload.send([UInt8(number)]) }
    upload.finish()
    let collected = try await upload.fullResponse
    #expect(collected.message == [0, 1, 2] && collected.initialMetadata["x-seen"] == "a")
    let chat = invoker.bidirectional(Self.chat, options: timely)
    var answers = chat.makeAsyncIterator()
    for number in 0..<3 {
      try await chat.send([UInt8(number)])
      #expect(try await answers.next() == [UInt8(number), 1, 2])
    }
    chat.finish()
    #expect(try await answers.next() == nil)

    let error = await #expect(throws: StatusError.self) { try await invoker.unary(Self.fails, [1], options: timely) }
    #expect(error?.status == Status(code: .failedPrecondition, message: "mapped: nothing here"))
    #expect(journal.lines.suffix(2) == ["a before Fails", "a after FAILED_PRECONDITION"])
    // The server never hears of this one: the method is one that it has not.
    let cache = CallInvoker(channel, interceptors: [Around { call, _ in try call.respond([42] as [UInt8]) }])
    #expect(try await cache.unary(Self.method("Missing"), [1], options: timely).message == [42])
    #expect(process.stop(SIGTERM) == 0)
  }
}
