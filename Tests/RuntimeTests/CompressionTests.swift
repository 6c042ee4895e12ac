import Foundation
import Testing
import Volery
import VoleryCompression
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryServer
import VoleryTransport
import VoleryTypes

@Suite("Compression", .timeLimit(.minutes(1))) struct CompressionTests {
  static let text = Array(String(repeating: "the quick brown fox ", count: 5000).utf8)

  static func compressed(_ bytes: [UInt8], _ format: CompressionFormat = .gzip) throws -> [UInt8] {
    try #require(bytes.withUnsafeBytes { Zlib.compress($0, format) })
  }

  static func inflate(_ bytes: [UInt8], _ format: CompressionFormat = .gzip, limit: Int = 1 << 20) throws -> [UInt8] {
    try bytes.withUnsafeBytes { try Zlib.inflate($0, format, limit: limit) }
  }

  @Test(
    "what is compressed inflates to itself", arguments: CompressionFormat.allCases,
    [2, 100, 32767, 32768, 32769, 100_000])
  func roundTrip(_ format: CompressionFormat, _ size: Int) throws {
    let bytes = Array(Self.text.prefix(size))
    guard size > 50 else { return #expect(bytes.withUnsafeBytes { Zlib.compress($0, format) } == nil) }
    let small = try Self.compressed(bytes, format)
    #expect(small.count < bytes.count)
    #expect(try Self.inflate(small, format, limit: size) == bytes)
    #expect(throws: InflateFailure.tooLarge) { try Self.inflate(small, format, limit: size - 1) }
  }

  @Test("several gzip members are one text") func members() throws {
    let two = try Self.compressed(Self.text) + Self.compressed(Self.text)
    #expect(try Self.inflate(two) == Self.text + Self.text)
  }

  @Test("bytes that can't be made smaller stay as they are") func random() throws {
    let bytes = (0..<1000).map { _ in UInt8.random(in: 0...255) }
    #expect(bytes.withUnsafeBytes { Zlib.compress($0, .gzip) } == nil)
    let frame: [UInt8] = [0, 0, 0, 3, 232] + bytes
    #expect(Compression.gzip.compress(MessageFrame(frame)).joined == frame)
  }

  @Test("damaged input is an error, whatever was done to it", arguments: CompressionFormat.allCases)
  func damage(_ format: CompressionFormat) throws {
    let good = try Self.compressed(Self.text, format)
    for length in 0..<good.count {
      #expect(throws: InflateFailure.corrupt) { try Self.inflate(Array(good.prefix(length)), format) }
    }
    for place in stride(from: 0, to: good.count, by: 3) {
      var bad = good
      bad[place] ^= 0x41
      // A flipped bit in gzip's header time or flags may go unnoticed; nothing else may come of it than the text.
      if let inflated = try? Self.inflate(bad, format) { #expect(inflated == Self.text) }
    }
    #expect(throws: InflateFailure.self) { try Self.inflate(good + [1, 2, 3], format) }
    let other: CompressionFormat = format == .gzip ? .zlib : .gzip
    #expect(throws: InflateFailure.corrupt) { try Self.inflate(good, other) }
  }

  @Test(
    "grpc-accept-encoding is read as a list",
    arguments: [
      ("", [Compression.identity]), ("gzip", [.identity, .gzip]), ("identity, deflate ,zstd", [.identity, .deflate]),
      ("gzipped,xgzip", [.identity]), (Compression.acceptedNames, Compression.all),
    ])
  func acceptedEncodings(_ list: String, _ accepted: [Compression]) {
    #expect(Compression.all.filter(CompressionSet(list).contains) == accepted)
  }

  // MARK: Calls

  /// Answers with what it saw, and as asked by metadata.
  struct Mirror: Service {
    static let unary = Method<[UInt8], [UInt8]>(service: "test.Mirror", name: "Unary", kind: .unary)
    static let chat = Method<[UInt8], [UInt8]>(service: "test.Mirror", name: "Chat", kind: .bidirectional)

    var handlers: [MethodHandler] {
      [
        .unary(Mirror.unary) { request, context in
          choose(context)
          context.trailingMetadata = ["x-compressed": "\(context.isRequestCompressed)"]
          return request
        },
        .bidirectional(Mirror.chat) { requests, writer, context in
          choose(context)
          var seen = ""
          for try await request in requests {
            seen += context.isRequestCompressed ? "1" : "0"
            try await writer.write(request, compressed: context.isRequestCompressed)
          }
          context.trailingMetadata = ["x-compressed": seen]
        },
      ]
    }

    func choose(_ context: ServerContext) {
      if let name = context.metadata["x-answer"], let wanted = Compression(name: name) {
        context.responseCompression = wanted
      }
    }
  }

  func withChannel(
    _ way: Way, server serverOptions: ServerOptions = ServerOptions(), client: ChannelOptions = ChannelOptions(),
    _ body: (Channel) async throws -> Void
  ) async throws {
    let server = Server(services: [Mirror()], options: serverOptions)
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    try await body(try Channel(address.target, options: client))
  }

  static func options(_ compression: Compression?, answer: Compression? = nil) -> CallOptions {
    var options = CallOptions(timeout: .seconds(20))
    options.compression = compression
    if let answer { options.metadata["x-answer"] = answer.name }
    return options
  }

  @Test("requests and responses are compressed where somebody asks", arguments: Way.allCases, Compression.all)
  func unary(_ way: Way, _ compression: Compression) async throws {
    try await withChannel(way) { channel in
      let plain = try await channel.unary(Mirror.unary, Self.text, options: Self.options(nil))
      #expect(plain.message == Self.text)
      #expect(plain.trailingMetadata["x-compressed"] == "false")
      #expect(!plain.isCompressed)
      let response = try await channel.unary(
        Mirror.unary, Self.text, options: Self.options(compression, answer: compression))
      #expect(response.message == Self.text)
      #expect(response.trailingMetadata["x-compressed"] == "\(compression != .identity)")
      #expect(response.isCompressed == (compression != .identity))
    }
  }

  @Test("a channel's and a server's option hold where a call says nothing") func defaults() async throws {
    var client = ChannelOptions()
    client.compression = .deflate
    var server = ServerOptions()
    server.compression = .gzip
    try await withChannel(.tcp, server: server, client: client) { channel in
      let response = try await channel.unary(Mirror.unary, Self.text, options: Self.options(nil))
      #expect(response.message == Self.text)
      #expect(response.isCompressed)
      #expect(response.trailingMetadata["x-compressed"] == "true")
      let plain = try await channel.unary(Mirror.unary, Self.text, options: Self.options(.identity, answer: .identity))
      #expect(!plain.isCompressed)
      #expect(plain.trailingMetadata["x-compressed"] == "false")
    }
  }

  @Test("each message of a stream is compressed or not", arguments: Way.allCases) func streams(_ way: Way) async throws
  {
    try await withChannel(way) { channel in
      let call = channel.bidirectional(Mirror.chat, options: Self.options(.gzip, answer: .gzip))
      var responses = call.makeAsyncIterator()
      for isCompressed in [true, false, false, true] {
        try await call.send(Self.text, compressed: isCompressed)
        #expect(try await responses.next() == Self.text)
        #expect(call.isResponseCompressed == isCompressed)
      }
      call.finish()
      #expect(try await responses.next() == nil)
      #expect(await call.trailingMetadata["x-compressed"] == "1001")
    }
  }

  @Test("a message that inflates beyond the limit ends its call, on either side", arguments: Way.allCases)
  func bomb(_ way: Way) async throws {
    var server = ServerOptions()
    server.maxRequestMessageBytes = 100_000
    server.compression = .gzip
    try await withChannel(way, server: server) { channel in
      let bomb = [UInt8](repeating: 0, count: 3 << 20)
      let refused = await #expect(throws: StatusError.self) {
        try await channel.unary(Mirror.unary, bomb, options: Self.options(.gzip))
      }
      #expect(refused?.code == .resourceExhausted)
      #expect(refused?.origin == .peer)
      var options = Self.options(.gzip)
      options.maxResponseMessageBytes = 50_000
      let local = await #expect(throws: StatusError.self) {
        try await channel.unary(Mirror.unary, [UInt8](repeating: 0, count: 60_000), options: options)
      }
      #expect(local?.code == .resourceExhausted)
      #expect(local?.origin == .call)
      let response = try await channel.unary(Mirror.unary, [1, 2, 3], options: options)
      #expect(response.message == [1, 2, 3], "the connection goes on")
    }
  }

  @Test("an encoding that is not known is refused with UNIMPLEMENTED and the list of those that are") func unknown() {
    let stream = RefusedStream()
    let head = ServerRequestHead(
      authority: "test", timeout: nil, metadata: Metadata(), contentSubtype: nil, messageEncoding: "snappy")
    let handler = Array("/test.Mirror/Unary".utf8).withUnsafeBytes {
      Server(services: [Mirror()]).dispatcher.accept(path: $0, head: head, stream: stream)
    }
    #expect(handler == nil)
    #expect(stream.status?.code == .unimplemented)
    #expect(stream.status?.message.contains("snappy") == true)
    #expect(stream.metadata?["grpc-accept-encoding"] == "identity,deflate,gzip")
  }

  @Test("a compressed message on a stream without an encoding is INTERNAL") func withoutEncoding() {
    let error = #expect(throws: StatusError.self) {
      try Compression.identity.inflate(ReceivedMessage([1, 2, 3], isCompressed: true), limit: 100)
    }
    #expect(error?.code == .internal)
  }

  /// Keeps how it was finished.
  final class RefusedStream: ServerStream {
    let transportLoop: any TransportLoop = try! EventLoopGroup.shared().next()
    var peer: Peer { fatalError("nobody asks") }
    var queuedByteCount: Int { 0 }
    var isClientBehind: Bool { false }
    func whenClientCatchesUp(_ work: @escaping () -> Void) { work() }
    var lingeringHandlers: LingeringHandlers? { nil }
    var status: Status?
    var metadata: Metadata?
    func sendInitialMetadata(_ metadata: Metadata, messageEncoding: String?) {}
    func send(_ frame: MessageFrame) {}
    func consume(_ byteCount: Int) {}
    func finishNow(_ status: Status) { finish(status, trailingMetadata: Metadata()) }
    func finish(_ status: Status, trailingMetadata: Metadata) {
      self.status = status
      metadata = trailingMetadata
    }
  }
}
