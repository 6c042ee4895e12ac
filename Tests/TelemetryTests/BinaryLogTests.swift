import Foundation
import TestSupport
import Testing
import Volery
import VoleryBinaryLog

/// Binary logs, as protobuf's own Python and the program of the house read them.
@Suite("Binary log", .serialized, .timeLimit(.minutes(3))) struct BinaryLogTests {
  /// A folder of its own, which goes with the test.
  final class Folder: Sendable {
    let url: URL

    init() throws {
      url = FileManager.default.temporaryDirectory.appendingPathComponent("binlog-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
  }

  struct Kinds: Service {
    static func method(_ name: String, _ kind: MethodKind) -> Method<[UInt8], [UInt8]> {
      Method(service: "test.Kinds", name: name, kind: kind)
    }

    static let unary = method("Unary", .unary)
    static let upload = method("Upload", .clientStreaming)
    static let download = method("Download", .serverStreaming)
    static let chat = method("Chat", .bidirectional)
    static let fails = method("Fails", .unary)
    static let hangs = method("Hangs", .bidirectional)

    var handlers: [MethodHandler] {
      [
        .unary(Kinds.unary) { request, context in
          context.initialMetadata["x-first"] = "1"
          context.trailingMetadata["x-last"] = "2"
          return request
        },
        .clientStreaming(Kinds.upload) { requests, _ in try await requests.reduce(into: [UInt8]()) { $0 += $1 } },
        .serverStreaming(Kinds.download) { request, responses, _ in
          for byte in request { try await responses.write([byte]) }
        },
        .bidirectional(Kinds.chat) { requests, responses, _ in
          for try await request in requests { try await responses.write(request) }
        },
        .unary(Kinds.fails) { _, _ in
          throw try StatusError(
            .invalidArgument, "not so", details: [Google_Rpc_ErrorInfo(reason: "WHY")], metadata: ["x-why": "because"])
        },
        .bidirectional(Kinds.hangs) { requests, responses, _ in
          try await responses.write([1])
          for try await _ in requests {}
        },
      ]
    }
  }

  /// An entry as Python says it.
  struct Entry: Decodable, Equatable {
    struct Pair: Decodable, Equatable {
      let key: String
      let value: Data?

      var text: String { "\(key)=\(String(decoding: value ?? Data(), as: UTF8.self))" }
    }

    struct Pairs: Decodable, Equatable { let entry: [Pair]? }
    struct Header: Decodable, Equatable {
      let metadata: Pairs?
      let method_name: String?
      let authority: String?
      let timeout: String?
    }
    struct Payload: Decodable, Equatable {
      let length: Int?
      let data: Data?
    }
    struct Trailer: Decodable, Equatable {
      let metadata: Pairs?
      let status_code: Int?
      let status_message: String?
      let status_details: Data?
    }
    struct Address: Decodable, Equatable {
      let type: String?
      let address: String?
      let ip_port: Int?
    }

    let timestamp: String
    let call_id: String
    let sequence_id_within_call: String
    let type: String
    let logger: String
    let client_header: Header?
    let server_header: Header?
    let message: Payload?
    let trailer: Trailer?
    let payload_truncated: Bool?
    let peer: Address?

    /// `CLIENT_HEADER`.
    var event: String { String(type.dropFirst("EVENT_TYPE_".count)) }
    var isTruncated: Bool { payload_truncated ?? false }
    var metadata: [String] {
      ((client_header ?? server_header)?.metadata ?? trailer?.metadata)?.entry?.map(\.text) ?? []
    }
  }

  func read(_ path: String) throws -> [Entry] {
    let (output, code) = try ChildProcess.run([
      try PythonTraceTests.python(), PythonTraceTests.script("binlog.py"), path,
    ])
    try #require(code == 0, "binlog.py: \(output)")
    return try output.split(separator: "\n").map { try JSONDecoder().decode(Entry.self, from: Data($0.utf8)) }
  }

  /// A channel to a server, with a log on each side.
  func with(
    client: BinaryLog?, server: BinaryLog?, inside: [any ServerInterceptor] = [],
    _ body: (Channel) async throws -> Void
  ) async throws {
    var serverOptions = ServerOptions()
    serverOptions.interceptors = [server].compactMap { $0 } + inside
    let pod = Server(services: [Kinds()], options: serverOptions)
    defer { pod.shutDown() }
    let address = try pod.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.interceptors = [client].compactMap { $0 }
    let channel = try Channel("ipv4:\(address)", options: options)
    try await body(channel)
    channel.close()
    await pod.drain(limit: .seconds(5))
    await client?.flush()
    await server?.flush()
  }

  func callAllKinds(_ channel: Channel) async throws {
    let timely = CallOptions(metadata: ["x-app": "shop"], timeout: .seconds(30))
    #expect(try await channel.unary(Kinds.unary, [7, 8], options: timely).message == [7, 8])
    let upload = channel.clientStreaming(Kinds.upload, options: timely)
    try await upload.send([1])
    try await upload.send([2])
    upload.finish()
    #expect(try await upload.response == [1, 2])
    var responses: [[UInt8]] = []
    for try await response in channel.serverStreaming(Kinds.download, [3, 4], options: timely) {
      responses.append(response)
    }
    #expect(responses == [[3], [4]])
    let chat = channel.bidirectional(Kinds.chat, options: timely)
    var answers = chat.makeAsyncIterator()
    try await chat.send([5])
    #expect(try await answers.next() == [5])
    chat.finish()
    #expect(try await answers.next() == nil)
  }

  @Test("all four kinds of calls are in both ends' files, every event in its place") func kinds() async throws {
    let folder = try Folder()
    let client = try BinaryLog(folder.path("client"), filter: BinaryLogFilter("*"))
    let server = try BinaryLog(folder.path("server"), filter: BinaryLogFilter("*"))
    try await with(client: client, server: server) { try await callAllKinds($0) }
    for (side, log) in [("client", client), ("server", server)] {
      let entries = try read(folder.path(side))
      #expect(entries.count == log.counts.written && log.counts.dropped == 0)
      #expect(entries.allSatisfy { $0.logger == "LOGGER_\(side.uppercased())" && !$0.isTruncated })
      let calls = Dictionary(grouping: entries, by: \.call_id).values.sorted {
        Int($0[0].call_id)! < Int($1[0].call_id)!
      }
      #expect(
        calls.map { $0[0].client_header?.method_name }
          == ["Unary", "Upload", "Download", "Chat"].map { "/test.Kinds/\($0)" })
      for call in calls {
        #expect(call.map(\.sequence_id_within_call) == (1...call.count).map(String.init))
        #expect(call[0].metadata == ["x-app=shop"])
        #expect(call[0].client_header?.authority?.hasPrefix("127.0.0.1:") == true)
        let timeout = try #require(Double(call[0].client_header?.timeout?.dropLast() ?? ""))
        #expect(timeout > 0 && timeout <= 30)
        #expect(call.last?.event == "SERVER_TRAILER" && call.last?.trailer?.status_code ?? 0 == 0)
        // Once, on the first that came from there.
        let isClient = side == "client"
        #expect(call.filter { $0.peer != nil }.map(\.event) == [isClient ? "SERVER_HEADER" : "CLIENT_HEADER"])
        let peer = call.compactMap(\.peer).first
        #expect(peer?.type == "TYPE_IPV4" && peer?.address == "127.0.0.1" && peer?.ip_port ?? 0 > 0)
      }
      let rest = ["SERVER_HEADER", "SERVER_MESSAGE", "SERVER_TRAILER"]
      #expect(calls[0].map(\.event) == ["CLIENT_HEADER", "CLIENT_MESSAGE", "CLIENT_HALF_CLOSE"] + rest)
      #expect(
        calls[1].map(\.event) == ["CLIENT_HEADER", "CLIENT_MESSAGE", "CLIENT_MESSAGE", "CLIENT_HALF_CLOSE"] + rest)
      #expect(
        calls[2].map(\.event) == [
          "CLIENT_HEADER", "CLIENT_MESSAGE", "CLIENT_HALF_CLOSE", "SERVER_HEADER", "SERVER_MESSAGE", "SERVER_MESSAGE",
          "SERVER_TRAILER",
        ])
      #expect(
        calls[3].map(\.event) == [
          "CLIENT_HEADER", "CLIENT_MESSAGE", "SERVER_HEADER", "SERVER_MESSAGE", "CLIENT_HALF_CLOSE", "SERVER_TRAILER",
        ])
      #expect(calls[0][3].metadata == ["x-first=1"] && calls[0][5].metadata == ["x-last=2"])
      #expect(calls[1].compactMap { $0.message?.data.map(Array.init) } == [[1], [2], [1, 2]])
      #expect(calls[0].compactMap(\.message?.length) == [2, 2])
    }
  }

  @Test("failures, a deadline and a cancel end a call as each side has seen it") func endings() async throws {
    let folder = try Folder()
    let client = try BinaryLog(folder.path("client"), filter: BinaryLogFilter("*"))
    let server = try BinaryLog(folder.path("server"), filter: BinaryLogFilter("*"))
    try await with(client: client, server: server) { channel in
      let timely = CallOptions(timeout: .seconds(30))
      await #expect(throws: StatusError.self) { try await channel.unary(Kinds.fails, [1], options: timely) }
      let call = channel.bidirectional(Kinds.hangs)
      var answers = call.makeAsyncIterator()
      _ = try await answers.next()
      call.cancel()
      _ = await call.status
      let nothing = Method<[UInt8], [UInt8]>(service: "test.Kinds", name: "Nothing", kind: .unary)
      await #expect(throws: StatusError.self) { try await channel.unary(nothing, [1], options: timely) }
    }
    for side in ["client", "server"] {
      let entries = try read(folder.path(side))
      let calls = Dictionary(grouping: entries, by: \.call_id).values.sorted {
        Int($0[0].call_id)! < Int($1[0].call_id)!
      }
      #expect(calls.count == 3)
      let failed = try #require(calls[0].last)
      #expect(failed.event == "SERVER_TRAILER" && failed.trailer?.status_code == 3)
      #expect(failed.trailer?.status_message == "not so" && failed.metadata == ["x-why=because"])
      #expect(failed.trailer?.status_details.map { String(decoding: $0, as: UTF8.self).contains("WHY") } == true)
      // Trailers only: there was no header that could have had the peer.
      #expect(!calls[0].contains { $0.event == "SERVER_HEADER" } && (failed.peer != nil) == (side == "client"))
      #expect(calls[1].last?.event == "CANCEL")
      #expect(calls[1].filter { $0.event == "CLIENT_HALF_CLOSE" }.isEmpty)
      #expect(calls[2].last?.trailer?.status_code == 12)
    }
  }

  /// An earlier deadline than the client's, for calls that hang.
  struct Impatience: ServerInterceptor {
    func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
      call.deadline = .after(.milliseconds(50))
      try await next()
    }
  }

  @Test(
    "a deadline that passes is DEADLINE_EXCEEDED in the trailer, whichever side's it is; the timeout is in the header")
  func deadlines() async throws {
    let folder = try Folder()
    // The server's own: both ends know it as such, however late the client is.
    let client = try BinaryLog(folder.path("client"), filter: BinaryLogFilter("*"))
    let server = try BinaryLog(folder.path("server"), filter: BinaryLogFilter("*"))
    try await with(client: client, server: server, inside: [Impatience().only { $0.name == "Hangs" }]) { channel in
      let error = await #expect(throws: StatusError.self) {
        let call = channel.bidirectional(Kinds.hangs, options: CallOptions(timeout: .seconds(30)))
        for try await _ in call {}
      }
      #expect(error?.code == .deadlineExceeded && error?.origin == .peer)
    }
    for side in ["client", "server"] {
      let entries = try read(folder.path(side))
      let timeout = try #require(Double(entries[0].client_header?.timeout?.dropLast() ?? ""))
      #expect(timeout > 25 && timeout <= 30)
      #expect(entries.last?.event == "SERVER_TRAILER" && entries.last?.trailer?.status_code == 4, "\(side): \(entries)")
    }
    // The client's: it makes the trailer up, and has no server's word.
    let own = try BinaryLog(folder.path("own"), filter: BinaryLogFilter("*"))
    try await with(client: own, server: nil) { channel in
      await #expect(throws: StatusError.self) {
        let call = channel.bidirectional(Kinds.hangs, options: CallOptions(timeout: .milliseconds(50)))
        for try await _ in call {}
      }
    }
    let entries = try read(folder.path("own"))
    #expect(try #require(Double(entries[0].client_header?.timeout?.dropLast() ?? "")) <= 0.05)
    let last = try #require(entries.last)
    #expect(last.event == "SERVER_TRAILER" && last.trailer?.status_code == 4 && last.metadata.isEmpty)
    #expect(entries.count { $0.event == "SERVER_TRAILER" } == 1 && !entries.contains { $0.event == "CANCEL" })
    #expect(last.trailer?.status_message?.contains("deadline") == true)
  }

  @Test(
    "grpc-trace-bin is always in the file, and counts for no limit; what else gRPC and HTTP/2 have put there never is")
  func reservedKeys() async throws {
    let folder = try Folder()
    // Room for x-app and its value, and for nothing more.
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*{h:9}"))
    var options = ServerOptions()
    options.interceptors = [log]
    let server = Server(services: [Kinds()], options: options)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let trace = [UInt8](repeating: 7, count: 29)
    let request = ScriptedPeer.request.map { $0.0 == ":path" ? ($0.0, "/test.Kinds/Unary") : $0 }
    let never = [
      ("grpc-timeout", "20S"), ("grpc-encoding", "identity"), ("grpc-accept-encoding", "gzip"), ("grpc-own", "1"),
      ("user-agent", "scripted/1"), ("lb-token", "hush"), ("lb-cost-bin", "AQ"), ("content-encoding", "identity"),
      ("accept-encoding", "identity"),
    ]
    let added =
      never + [("x-app", "shop"), ("x-more", "cut off"), ("grpc-trace-bin", Data(trace).base64EncodedString())]
    // Blocking waits, each with a limit.
    try await Task.detached {
      let peer = try ScriptedPeer.client(of: address)
      peer.say(
        .headers(1, request + added), .data(1, [0, 0, 0, 0, 1, 9], ends: true))
      try peer.listen("the answer") { $0.blocks.count == 2 }
    }.value
    await server.drain(limit: .seconds(5))
    await log.flush()
    let entries = try read(folder.path("log"))
    let header = try #require(entries.first { $0.event == "CLIENT_HEADER" })
    let pairs = try #require(header.client_header?.metadata?.entry)
    #expect(pairs.map(\.key) == ["x-app", "grpc-trace-bin"])
    #expect(pairs.last?.value == Data(trace))
    #expect(header.isTruncated, "x-more was left out for its size")
    #expect(header.client_header?.timeout != nil)
    let rest =
      entries.flatMap { $0.server_header?.metadata?.entry ?? [] }
      + entries.flatMap { $0.trailer?.metadata?.entry ?? [] }
    #expect(!rest.contains { pair in pair.key.hasPrefix("grpc-") || never.contains { $0.0 == pair.key } })
  }

  @Test("messages and metadata are cut where the filter says, and methods are left out") func filters() async throws {
    let folder = try Folder()
    let log = try BinaryLog(
      folder.path("log"), filter: BinaryLogFilter("test.Kinds/*{h:12;m:3},-test.Kinds/Upload,test.Kinds/Chat{h}"))
    try await with(client: nil, server: log) { channel in
      try await callAllKinds(channel)
      let metadata: Metadata = ["x-app": "shop", "x-more": "too much"]
      _ = try await channel.unary(
        Kinds.unary, [1, 2, 3, 4, 5], options: CallOptions(metadata: metadata, timeout: .seconds(30)))
    }
    let entries = try read(folder.path("log"))
    #expect(
      Set(entries.compactMap(\.client_header?.method_name)) == [
        "/test.Kinds/Unary", "/test.Kinds/Download", "/test.Kinds/Chat",
      ])
    let chat = try #require(entries.first { $0.client_header?.method_name == "/test.Kinds/Chat" }).call_id
    let messages = entries.filter { $0.call_id == chat && $0.message != nil }
    #expect(messages.count == 2)
    #expect(messages.allSatisfy { $0.message?.length == 1 && $0.message?.data == nil && $0.isTruncated })
    let last = entries.filter { $0.call_id == entries.last?.call_id }
    #expect(last[0].metadata == ["x-app=shop"] && last[0].isTruncated)
    #expect(last[1].message?.length == 5 && last[1].message?.data == Data([1, 2, 3]) && last[1].isTruncated)
  }

  @Test("no secret of metadata is in the file, nor gRPC's own metadata; grpc-trace-bin is") func secrets() async throws
  {
    let folder = try Folder()
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*{h:40;m}"))
    try await with(client: log, server: log) { channel in
      var metadata: Metadata = ["authorization": "Bearer hush-hush", "x-app": "shop"]
      metadata.append("hush-hush", for: "cookie")
      _ = try await channel.unary(Kinds.unary, [1], options: CallOptions(metadata: metadata, timeout: .seconds(30)))
    }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path("log")))
    #expect(bytes.range(of: Data("hush".utf8)) == nil)
    for header in try read(folder.path("log")).filter({ $0.client_header != nil }) {
      #expect(header.metadata.contains("authorization=") && header.isTruncated)
      #expect(!header.metadata.contains { $0.hasPrefix("grpc-") || $0.hasPrefix("user-agent") || $0.hasPrefix("te=") })
    }
    let mode = try FileManager.default.attributesOfItem(atPath: folder.path("log"))[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test("without a filter there is no file; one that can't be read says which pattern") func off() async throws {
    let folder = try Folder()
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter(""))
    try await with(client: log, server: log) { try await callAllKinds($0) }
    #expect(!FileManager.default.fileExists(atPath: folder.path("log")))
    #expect(log.counts.written == 0)
    #expect(throws: StatusError.self) { try BinaryLog(folder.path("no/such/folder"), filter: BinaryLogFilter("*")) }
  }

  @Test(
    "malformed patterns are refused",
    arguments: [
      ",", "*,", "a", "*/m", "-a/*", "-*", "-a/b{h}", "a/b{}", "a/b{x}", "a/b{m;h}", "a/b{h:}", "a/b{h:1;h:2}",
      "a/b{h:-1}",
      "a/b{h", "a/b}", "*,*", "a/*,a/*", "a/b,-a/b", "a b/c", "/b", "a/", "a/b{h:1;m:2;m:3}",
    ])
  func malformed(_ text: String) {
    #expect { try BinaryLogFilter(text) } throws: { ($0 as? StatusError)?.code == .invalidArgument }
  }

  @Test(
    "well-formed patterns are taken",
    arguments: ["*", "*{h}", "*{m}", "*{h;m}", "*{h:1;m:2}", "a.b.C/*,-a.b.C/d", "a/b{m:99999999999999999999}"])
  func wellFormed(_ text: String) throws { #expect(!(try BinaryLogFilter(text).isEmpty)) }

  @Test("the file is begun anew when it is full, and what it was is kept once") func rotation() async throws {
    let folder = try Folder()
    var options = BinaryLogOptions()
    options.maxFileBytes = 3000
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*"), options: options)
    try await with(client: nil, server: log) { channel in
      for _ in 0..<40 {
        _ = try await channel.unary(
          Kinds.unary, [UInt8](repeating: 1, count: 200), options: CallOptions(timeout: .seconds(30)))
        // One after another, so that they are written in small parts.
        await log.flush()
      }
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
    #expect(names == ["log", "log.1"])
    var total = 0
    for name in names {
      let size = try FileManager.default.attributesOfItem(atPath: folder.path(name))[.size] as? Int
      total += size ?? 0
      #expect(size ?? 0 > 0 && size ?? 0 <= 3000)
      #expect(try !read(folder.path(name)).isEmpty)
    }
    #expect(log.counts.bytes > total && log.counts.dropped == 0)
  }

  @Test("what the queue has no room for is dropped and counted, and calls go on") func dropping() async throws {
    let folder = try Folder()
    var options = BinaryLogOptions()
    options.maxQueuedBytes = 1000
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*"), options: options)
    try await with(client: nil, server: log) { channel in
      let response = try await channel.unary(
        Kinds.unary, [UInt8](repeating: 1, count: 5000), options: CallOptions(timeout: .seconds(30)))
      #expect(response.message.count == 5000)
    }
    // Both messages: too large for any queue.
    #expect(log.counts.dropped >= 2)
    let entries = try read(folder.path("log"))
    #expect(entries.count == log.counts.written && log.counts.written + log.counts.dropped == 6)
    #expect(!entries.contains { $0.message != nil })
  }

  @Test("a file that can't be written costs entries and nothing else") func failures() async throws {
    let folder = try Folder()
    var options = BinaryLogOptions()
    options.maxFileBytes = 300
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*"), options: options)
    // The file is there as long as it is open; there is no folder for the next one.
    try FileManager.default.removeItem(at: folder.url)
    try await with(client: nil, server: log) { channel in
      for _ in 0..<3 {
        _ = try await channel.unary(Kinds.unary, [1], options: CallOptions(timeout: .seconds(30)))
      }
    }
    #expect(log.counts.dropped > 0 && log.counts.written + log.counts.dropped == 18)
    #expect(log.counts.failure?.contains("can't be made") == true)
  }

  @Test("volery-binlog prints a file, and says where one is broken") func program() async throws {
    let folder = try Folder()
    let log = try BinaryLog(folder.path("log"), filter: BinaryLogFilter("*"))
    try await with(client: nil, server: log) { channel in
      let metadata: Metadata = ["x-app": "shop\"\\"]
      _ = try await channel.unary(
        Kinds.unary, [0xab, 0xcd], options: CallOptions(metadata: metadata, timeout: .seconds(30)))
    }
    let program = Bundle.main.bundleURL.appendingPathComponent("volery-binlog").path
    let (text, code) = try ChildProcess.run([program, folder.path("log")])
    #expect(code == 0)
    let lines = text.split(separator: "\n")
    #expect(lines.count == 6)
    #expect(lines[0].contains(" CLIENT_HEADER /test.Kinds/Unary authority=127.0.0.1:"))
    #expect(lines[0].contains(#" x-app="shop\"\\" peer=127.0.0.1:"#))
    #expect(
      lines[1].hasSuffix(".2 CLIENT_MESSAGE 2 bytes abcd") && lines[5].contains(" SERVER_TRAILER OK x-last=\"2\""))
    let (json, _) = try ChildProcess.run([program, "--json", folder.path("log")])
    let entries = try json.split(separator: "\n").map {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    #expect(entries.map { $0?["type"] as? String }.first == "EVENT_TYPE_CLIENT_HEADER" && entries.count == 6)
    let (nothing, _) = try ChildProcess.run([program, "--call", "999999999", folder.path("log")])
    #expect(nothing.isEmpty)
    // Half of the last entry.
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path("log")))
    try bytes.dropLast(2).write(to: URL(fileURLWithPath: folder.path("half")))
    try Data([0xff, 0xff, 0xff, 0xff, 1]).write(to: URL(fileURLWithPath: folder.path("noise")))
    for name in ["half", "noise", "missing"] {
      let (_, code) = try ChildProcess.run([program, folder.path(name)])
      #expect(code != 0 && code < 128, "\(name)")
    }
  }
}
