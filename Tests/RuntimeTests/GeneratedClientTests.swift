import Testing
import Volery

import struct NastyMessages.KindsClient
import enum NastyMessages.KindsMethods
import protocol NastyMessages.KindsService
import struct NastyMessages.Text

/// Notes what calls bring in `x-mark`, and whether they have a deadline.
private struct Mirror: KindsService {
  let journal = Journal()

  private func note(_ context: ServerContext) {
    let marks = context.metadata.values("x-mark").joined(separator: ",")
    journal.note("\(context.method.name) \(marks) \(context.deadline == .none ? "no deadline" : "deadline")")
  }

  func echo(_ request: Text, context: ServerContext) async throws -> Text {
    note(context)
    return request
  }

  func split(_ request: Text, responses: ResponseWriter<Text>, context: ServerContext) async throws {
    note(context)
    for word in request.text.split(separator: " ") { try await responses.write(Text(text: String(word))) }
  }

  func join(_ requests: RequestStream<Text>, context: ServerContext) async throws -> Text {
    note(context)
    return Text(text: try await requests.reduce(into: []) { $0.append($1.text) }.joined(separator: " "))
  }

  func chat(_ requests: RequestStream<Text>, responses: ResponseWriter<Text>, context: ServerContext) async throws {
    note(context)
    for try await request in requests { try await responses.write(request) }
  }
}

@Suite("Generated clients", .timeLimit(.minutes(1))) struct GeneratedClientTests {
  private func with(
    _ options: ChannelOptions = ChannelOptions(), _ body: (Channel, Mirror) async throws -> Void
  ) async throws {
    let mirror = Mirror()
    let server = Server(services: [mirror])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    try await body(try Channel(address.target, options: options), mirror)
  }

  /// One call of each kind.
  private func callAll(_ client: KindsClient, _ options: CallOptions = CallOptions()) async throws {
    #expect(try await client.echo(Text(text: "a"), options: options).text == "a")
    #expect(try await client.echoResponse(to: Text(text: "b"), options: options).message.text == "b")
    var words: [String] = []
    for try await word in client.split(Text(text: "c d"), options: options) { words.append(word.text) }
    #expect(words == ["c", "d"])
    let join = client.join(options: options)
    for word in words { try await join.send(Text(text: word)) }
    join.finish()
    #expect(try await join.response.text == "c d")
    let chat = client.chat(options: options)
    try await chat.send(Text(text: "e"))
    chat.finish()
    for try await word in chat { #expect(word.text == "e") }
  }

  static let names = ["Echo", "Echo", "Split", "Join", "Chat"]

  @Test("without more they call as the channel does") func plain() async throws {
    try await with { channel, mirror in
      try await callAll(KindsClient(channel))
      #expect(mirror.journal.lines == Self.names.map { "\($0)  no deadline" })
    }
  }

  @Test("interceptors stand around every kind of call, inside the channel's") func interceptors() async throws {
    let journal = Journal()
    var options = ChannelOptions()
    options.interceptors = [ClientInterceptorTests.Mark(name: "channel", journal: journal)]
    try await with(options) { channel, mirror in
      let client = KindsClient(
        channel,
        interceptors: ["one", "two"].map { ClientInterceptorTests.Mark(name: $0, journal: journal) })
      try await callAll(client)
      #expect(mirror.journal.lines == Self.names.map { "\($0) channel,one,two no deadline" })
      try await callAll(KindsClient(channel))
      #expect(mirror.journal.lines.dropFirst(5) == Self.names.map { "\($0) channel no deadline" }[...])
    }
  }

  @Test("defaults hold for every kind of call, where its own options say nothing") func defaults() async throws {
    try await with { channel, mirror in
      let client = KindsClient(
        channel, defaults: CallOptions(metadata: ["x-mark": "default"], timeout: .seconds(20)))
      try await callAll(client)
      try await callAll(client, CallOptions(metadata: ["x-mark": "own"]))
      #expect(
        mirror.journal.lines
          == Self.names.map { "\($0) default deadline" } + Self.names.map { "\($0) default,own deadline" })
      let late = KindsClient(channel, defaults: CallOptions(timeout: .zero))
      let error = await #expect(throws: StatusError.self) { try await late.echo(Text()) }
      #expect(error?.code == .deadlineExceeded)
      try await callAll(late, CallOptions(timeout: .seconds(20)))
    }
  }

  @Test("a type on the main actor is a service, and runs there") @MainActor func mainActor() async throws {
    let service = OnMainActor()
    let server = Server(services: [service])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    try await callAll(KindsClient(try Channel(address.target)))
    #expect(service.methods == Self.names)
  }

  @Test("a service's name, methods and file are reachable from one type") func methods() {
    #expect(KindsMethods.serviceName == "volery.tests.kinds.Kinds")
    #expect(KindsMethods.allMethods.map(\.name) == ["Echo", "Split", "Join", "Chat"])
    #expect(KindsMethods.allMethods.map(\.kind) == [.unary, .serverStreaming, .clientStreaming, .bidirectional])
    #expect(KindsMethods.fileTable.fileName == "kinds.proto")
    #expect(Text.fileTable === KindsMethods.fileTable)
    #expect(Mirror().handlers.map(\.descriptor) == KindsMethods.allMethods)
  }
}

/// Mutable state without a lock. Where NonisolatedNonsendingByDefault is on, as here, the conformance is in an extension.
@MainActor private final class OnMainActor {
  private(set) var methods: [String] = []

  private func note(_ context: ServerContext) {
    MainActor.preconditionIsolated()
    methods.append(context.method.name)
  }

  func echo(_ request: Text, context: ServerContext) async throws -> Text {
    note(context)
    return request
  }

  func split(_ request: Text, responses: ResponseWriter<Text>, context: ServerContext) async throws {
    note(context)
    for word in request.text.split(separator: " ") { try await responses.write(Text(text: String(word))) }
  }

  func join(_ requests: RequestStream<Text>, context: ServerContext) async throws -> Text {
    note(context)
    var words: [String] = []
    for try await request in requests { words.append(request.text) }
    return Text(text: words.joined(separator: " "))
  }

  func chat(_ requests: RequestStream<Text>, responses: ResponseWriter<Text>, context: ServerContext) async throws {
    note(context)
    for try await request in requests { try await responses.write(request) }
  }
}

extension OnMainActor: KindsService {}
