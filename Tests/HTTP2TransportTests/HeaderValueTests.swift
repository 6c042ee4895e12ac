import TestSupport
import Testing
import Volery

/// What may stand in a header's value, sent and received (RFC 9113, 8.2.1; doc/PROTOCOL-HTTP2.md, Custom-Metadata): what we
/// send we accept, and what others send and accept kills no call.
@Suite("Values of headers", .timeLimit(.minutes(1))) struct HeaderValueTests {
  static let messages = ["bad input: ", " bad input", "  ", " ", "a  b", "\ttabs\t", "ends with a line\n", "%20", "é "]

  @Test("a status message arrives as it was thrown, spaces at its ends too", arguments: Way.allCases)
  func statusMessage(_ way: Way) async throws {
    try await Stage.with(way) { request, _ in
      throw StatusError(.invalidArgument, String(decoding: request, as: UTF8.self))
    } _: { stage in
      for message in Self.messages {
        let error = await stage.failure([:], Array(message.utf8))
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == message)
      }
    }
  }

  @Test("metadata values arrive without spaces at their ends, in both directions", arguments: Way.allCases)
  func metadata(_ way: Way) async throws {
    try await Stage.with(way) { _, context in
      #expect(context.metadata.values("x-padded") == ["both", "inner  space", ""])
      #expect(context.metadata.binaryValues("x-bytes-bin") == [Array("  \t".utf8)])
      context.initialMetadata = ["x-initial": " both "]
      context.trailingMetadata = ["x-trailing": "behind  ", "x-before": "  before"]
      return []
    } _: { stage in
      var metadata: Metadata = ["x-padded": "  both "]
      metadata.append("inner  space ", for: "x-padded")
      metadata.append("   ", for: "x-padded")
      metadata.append(binary: Array("  \t".utf8), for: "x-bytes-bin")
      let response = try await stage.call(metadata)
      #expect(response.initialMetadata["x-initial"] == "both")
      #expect(response.trailingMetadata["x-trailing"] == "behind")
      #expect(response.trailingMetadata["x-before"] == "before")
    }
  }

  @Test("no value that the server sends has a space at an end") func sentByServer() async throws {
    try await Stage.with(.plain) { _, context in
      context.initialMetadata = ["x-initial": " a "]
      context.trailingMetadata = ["x-trailing": " a "]
      throw StatusError(.notFound, " not here ", metadata: ["x-error": " b "])
    } _: { stage in
      let address = stage.address
      try await blocking {
        let peer = try ScriptedPeer.client(of: address)
        peer.say(.headers(1, OneMethod.request), .data(1, ScriptedPeer.emptyMessage, ends: true))
        try peer.listen("answer") { $0.hasEnded(1) }
        #expect(peer.field("grpc-message", of: 1) == "%20not here%20")
        let values = peer.blocks.flatMap(\.fields).map(\.1)
        #expect(values.count > 5)
        for value in values { #expect(value.first != " " && value.last != " ", "'\(value)'") }
      }
    }
  }

  @Test("no value that the client sends has a space at an end") func sentByClient() async throws {
    let listener = try ScriptedListener()
    async let fields = blocking {
      let peer = try listener.accept()
      try peer.converse { $0.kind != .headers }
      peer.say(
        .headers(1, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")], ends: true))
      try peer.listen("end", orClosed: true) { $0.heard.contains { $0.endsStream } }
      return peer.blocks.flatMap(\.fields).map { [$0.0, $0.1] }
    }
    var options = ChannelOptions()
    options.userAgent = " padded\nand worse "
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)", options: options)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(ScriptedService.echo, [], options: Stage.options(["x-padded": " a  ", "x-space": "  "]))
    }
    #expect(error?.code == .notFound)
    let sent = try await fields
    #expect(sent.contains(["x-padded", "a"]) && sent.contains(["x-space", ""]))
    #expect(sent.contains { $0[0] == "user-agent" && $0[1].hasPrefix("padded?and worse") })
    for field in sent { #expect(field[1].first != " " && field[1].last != " ", "\(field)") }
  }

  @Test(
    "requests whose values have spaces at their ends are taken",
    arguments: [
      ("x-custom", " a "), ("x-custom", "\ta\t"), ("x-bytes-bin", " AAA "), ("x-bytes-bin", "AAA , AAA "),
      ("grpc-timeout", " 5S "), ("content-type", "application/grpc "), ("grpc-accept-encoding", " gzip , identity "),
      ("grpc-encoding", "identity "), ("user-agent", "other/1 "), ("te", "trailers"),
    ])
  func requests(_ name: String, _ value: String) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      let request = ScriptedPeer.request.filter { $0.0 != name } + [(name, value)]
      peer.say(.headers(1, request), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(1) }
      #expect(peer.field("grpc-status", of: 1) == "0", "\(peer.blocks)")
    }
  }

  @Test("a request without te is taken, as grpc-go and grpc-java take it") func withoutTE() async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(
        .headers(1, ScriptedPeer.request.filter { $0.0 != "te" }), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(1) }
      #expect(peer.field("grpc-status", of: 1) == "0")
    }
  }

  /// Lets a script answer one call, and says how the call ends.
  func outcome(initial: [(String, String)] = [], trailers: [(String, String)]) async throws -> StatusError? {
    let listener = try ScriptedListener()
    async let script: Void = blocking {
      let peer = try listener.accept()
      try peer.converse { !$0.endsStream }
      peer.say(
        .headers(1, [(":status", "200"), ("content-type", "application/grpc")] + initial),
        .data(1, ScriptedPeer.emptyMessage), .headers(1, trailers, ends: true))
      try peer.listen("end", orClosed: true) { _ in false }
    }
    let channel = try Channel("ipv4:127.0.0.1:\(listener.port)")
    var failure: StatusError?
    do {
      let response = try await channel.unary(ScriptedService.echo, [], options: Stage.options())
      #expect(response.message == [])
    } catch {
      failure = error
    }
    channel.close()
    try await script
    return failure
  }

  @Test("responses whose values have spaces at their ends are taken")
  func responses() async throws {
    let padded = [("x-custom", " a "), ("x-bytes-bin", " AAA ")]
    #expect(try await outcome(initial: padded, trailers: [("grpc-status", " 0 ")] + padded) == nil)
    let error = try await outcome(trailers: [("grpc-status", "3"), ("grpc-message", "bad input: ")] + padded)
    #expect(error?.code == .invalidArgument)
    #expect(error?.message == "bad input: ")
    #expect(error?.metadata["x-custom"]?.contains("a") == true)
    #expect(error?.metadata[binary: "x-bytes-bin"] == [0, 0])
  }

  @Test(
    "a status is digits and nothing else (PROTOCOL-HTTP2, Status)",
    arguments: [
      ("5", StatusCode.notFound), ("+5", .unknown), ("-0", .unknown), ("99", .unknown), ("", .unknown),
      ("5555555555", .unknown),
    ])
  func statusDigits(_ value: String, _ code: StatusCode) async throws {
    #expect(try await outcome(trailers: [("grpc-status", value)])?.code == code)
  }

  @Test("a status whose message is not percent-encoded counts all the same", arguments: ["a\nb", "\u{1}", "é"])
  func rawMessage(_ message: String) async throws {
    let error = try await outcome(trailers: [("grpc-status", "5"), ("grpc-message", message)])
    #expect(error?.code == .notFound)
    #expect(error?.message == message)
  }

  @Test(
    "a header that HTTP forbids ends its call, not the connection", arguments: [("x-line", "a\nb"), ("X-Upper", "a")])
  func forbidden(_ name: String, _ value: String) async throws {
    try await ScriptedService.serve { address in
      let peer = try ScriptedPeer.client(of: address)
      peer.say(.headers(1, ScriptedPeer.request + [(name, value)]), .data(1, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("reset") { $0.hasEnded(1) }
      #expect(peer.reset(of: 1) == 1)
      peer.say(.headers(3, ScriptedPeer.request), .data(3, ScriptedPeer.emptyMessage, ends: true))
      try peer.listen("answer") { $0.hasEnded(3) }
      #expect(peer.field("grpc-status", of: 3) == "0")
    }
  }

  static let unsendable: [Metadata] = [
    ["bad key": "x"], ["x-line": "a\nb"], ["grpc-status": "0"], ["x-accent": "é"], ["": "x"],
  ]

  @Test(
    "a handler's metadata that can't travel fails its call with INTERNAL and the key's name", arguments: Way.allCases)
  func unsendable(_ way: Way) async throws {
    for metadata in Self.unsendable {
      try await Stage.with(way) { request, context in
        if request == [1] { context.initialMetadata = metadata } else { context.trailingMetadata = metadata }
        return []
      } _: { stage in
        for place: UInt8 in [1, 2] {
          let error = await stage.failure([:], [place])
          #expect(error?.code == .internal)
          #expect(
            error?.message.contains("metadata key '\(metadata.first { _ in true }!.key)'") == true, "\(error as Any)")
        }
      }
      // A call that has failed keeps its code.
      try await Stage.with(way) { _, _ in
        throw StatusError(.notFound, "not here", metadata: metadata)
      } _: { stage in
        let error = await stage.failure()
        #expect(error?.code == .notFound)
        #expect(error?.message.hasPrefix("not here") == true)
        #expect(error?.metadata.isEmpty == true)
      }
    }
  }
}
