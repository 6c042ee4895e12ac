import Testing
import Volery
import VoleryPlatform
import VoleryTLSSession

/// Two sessions back to back, without sockets.
@Suite("TLS sessions as values of bytes", .timeLimit(.minutes(1))) struct TLSSessionTests {
  static func serverContext(options: TLSOptions = TLSOptions()) throws -> TLSContext {
    try TLSContext(
      TLSConfiguration(
        role: .server, keyPair: Certificates.pair("server"), peer: .init(demand: .notAsked), options: options))
  }

  static func clientContext(protocol name: String = "h2", options: TLSOptions = TLSOptions()) throws -> TLSContext {
    try TLSContext(
      TLSConfiguration(
        role: .client, keyPair: nil, peer: .init(demand: .required, roots: Certificates.roots),
        applicationProtocol: name, options: options))
  }

  /// What one side has to say, in pieces of so many bytes, given to the other one; what comes out of it.
  static func pass(_ from: TLSSession, _ to: TLSSession, pieces: Int = .max) throws -> [UInt8] {
    var wire: [UInt8] = []
    from.takeOutgoing { wire += $0 }
    var plain: [UInt8] = []
    while !wire.isEmpty {
      let piece = Array(wire.prefix(pieces))
      wire.removeFirst(piece.count)
      try piece.withUnsafeBytes { try to.receive($0) { plain += $0 } }
    }
    return plain
  }

  static func shakeHands(_ client: TLSSession, _ server: TLSSession, pieces: Int = .max) throws {
    for _ in 0..<4 {
      _ = try pass(client, server, pieces: pieces)
      _ = try pass(server, client, pieces: pieces)
    }
    try #require(client.isEstablished && server.isEstablished)
  }

  static func pair(pieces: Int = .max) throws -> (client: TLSSession, server: TLSSession) {
    let server = try TLSSession(serverContext())
    let client = try TLSSession(clientContext(), serverName: "localhost")
    try shakeHands(client, server, pieces: pieces)
    return (client, server)
  }

  @Test("bytes may come in any pieces", arguments: [1, 2, 7, 1000]) func pieces(_ size: Int) throws {
    let (client, server) = try Self.pair(pieces: size)
    let message = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
    try message.withUnsafeBytes { try client.send($0) }
    #expect(try Self.pass(client, server, pieces: size) == message)
    try message.withUnsafeBytes { try server.send($0) }
    #expect(try Self.pass(server, client, pieces: size) == message)
  }

  @Test(
    "a server's name is told in the greeting, an address is not (RFC 6066, 3)",
    arguments: [("orders.test", true), ("192.0.2.77", false), ("2001:db8::77", false)])
  func serverName(_ name: String, _ isTold: Bool) throws {
    var hello: [UInt8] = []
    try TLSSession(Self.clientContext(), serverName: name).takeOutgoing { hello += $0 }
    let text = Array(name.utf8)
    let isThere = (0...(hello.count - text.count)).contains { hello[$0..<($0 + text.count)].elementsEqual(text) }
    #expect(isThere == isTold)
  }

  @Test("an end with close_notify is told from one without") func ends() throws {
    let server = try TLSSession(Self.serverContext())
    let client = try TLSSession(Self.clientContext(), serverName: "localhost")
    #expect(client.endReason == "the server closed the connection before the TLS handshake")
    _ = try Self.pass(client, server)
    #expect(server.endReason == "the client closed the connection within the TLS handshake")
    try Self.shakeHands(client, server)
    #expect(client.endReason.contains("without the close_notify"))
    server.close()
    _ = try Self.pass(server, client)
    #expect(client.hasReceivedClose)
    #expect(client.endReason == "the peer closed the connection")
  }

  @Test("a damaged record ends the session, with an alert for the peer") func damage() throws {
    let (client, server) = try Self.pair()
    try Array("hello".utf8).withUnsafeBytes { try client.send($0) }
    var wire: [UInt8] = []
    client.takeOutgoing { wire += $0 }
    wire[wire.count - 1] ^= 1
    let error = #expect(throws: TLSError.self) { try wire.withUnsafeBytes { try server.receive($0) { _ in } } }
    #expect(error?.description == "a record of the client was damaged on its way")
    #expect(!server.isEstablished)
    let answer = #expect(throws: TLSError.self) { _ = try Self.pass(server, client) }
    #expect(answer?.description.contains("the server refused") == true)
  }

  @Test("random bytes and damaged greetings never do more than end the session") func garbage() throws {
    var random = SystemRandomNumberGenerator()
    let context = try Self.serverContext()
    var hello: [UInt8] = []
    try TLSSession(Self.clientContext(), serverName: "localhost").takeOutgoing { hello += $0 }
    for round in 0..<3000 {
      let session = try TLSSession(context)
      var bytes = hello
      if round % 3 == 0 {
        bytes = (0..<Int.random(in: 1...600)).map { _ in UInt8.random(in: 0...255, using: &random) }
      } else {
        for _ in 0..<Int.random(in: 1...8) { bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255) }
        if round % 3 == 2 { bytes.removeLast(Int.random(in: 0..<bytes.count)) }
      }
      for _ in 0..<2 {
        do { try bytes.withUnsafeBytes { try session.receive($0) { _ in Issue.record("it gave bytes") } } } catch {
          #expect(error is TLSError, "\(error)")
        }
      }
      #expect(!session.isEstablished)
      session.close()
      session.takeOutgoing { _ in }
    }
  }

  @Test("a session is resumed once, and its certificate is known again") func resumption() throws {
    let serverContext = try Self.serverContext()
    let clientContext = try Self.clientContext()
    for round in 0..<3 {
      let server = try TLSSession(serverContext)
      let client = try TLSSession(clientContext, serverName: "localhost", sessionKey: "a")
      try Self.shakeHands(client, server)
      #expect(client.peer?.isResumed == (round > 0))
      #expect(client.peer?.certificate?.commonName == "server")
      let other = try TLSSession(clientContext, serverName: "localhost", sessionKey: "b\(round)")
      try Self.shakeHands(other, TLSSession(serverContext))
      #expect(other.peer?.isResumed == false)
    }
  }

  @Test("pieces come out as they went in, in full records, and what is not taken waits", arguments: [1, 9, 16_384, 70_000])
  func piecewise(_ size: Int) throws {
    let (client, server) = try Self.pair()
    let lender = LentBuffer()
    client.borrows(from: lender)
    let message = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    // As frames come: a short piece, a longer one.
    try message.withUnsafeBytes { bytes in
      var pieces: [UnsafeRawBufferPointer] = []
      var start = 0
      while start < bytes.count {
        let end = min(start + (pieces.count % 2 == 0 ? 9 : size), bytes.count)
        pieces.append(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
      try pieces.withUnsafeBufferPointer { try client.send($0) }
    }
    var wire: [UInt8] = []
    var calls = 0
    while client.hasOutgoing {
      client.giveOutgoing { bytes in
        wire += bytes.prefix(10_000)
        return min(bytes.count, 10_000)
      }
      calls += 1
    }
    #expect(calls == (wire.count + 9_999) / 10_000)
    var plain: [UInt8] = []
    try wire.withUnsafeBytes { try server.receive($0) { plain += $0 } }
    #expect(plain == message)
    // A record has 22 bytes besides (TLS 1.3 with AES-GCM).
    let records = (message.count + (16 << 10) - 1) / (16 << 10)
    #expect(wire.count == message.count + 22 * records)
    var capacity = 0
    let lent = lender.take(&capacity)
    #expect(lent != nil && capacity >= wire.count, "its buffer went back")
    if let lent { lender.giveBack(lent, capacity) }
  }

  @Test("what waits of this end's own does not count as answers that the peer does not read") func waiting() throws {
    let (client, server) = try Self.pair()
    let message = [UInt8](repeating: 7, count: 400_000)
    try message.withUnsafeBytes { try server.send($0) }
    try message.prefix(10).withUnsafeBytes { try client.send($0) }
    #expect(try Self.pass(client, server) == Array(message.prefix(10)))
    #expect(try Self.pass(server, client) == message)
  }
}
