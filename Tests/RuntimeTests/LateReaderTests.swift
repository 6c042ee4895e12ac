import TestSupport
import Testing
import Volery

/// A reader that comes late to a message, while the next one fills the window.
@Suite("Readers that come late", .timeLimit(.minutes(1))) struct LateReaderTests {
  private static let window = 512 << 10
  private static let method = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Call", kind: .serverStreaming)

  private static func message(_ byteCount: Int) -> [UInt8] {
    [0] + withUnsafeBytes(of: UInt32(byteCount).bigEndian, Array.init) + [UInt8](repeating: 1, count: byteCount)
  }

  @Test("what has come of the next large message gets its credit when the one before is taken") func late() async throws
  {
    let listener = try ScriptedListener()
    let channel = try Channel("127.0.0.1:\(listener.port)")
    let call = channel.serverStreaming(Self.method, [])
    let (filled, fill) = AsyncStream.makeStream(of: Void.self)
    async let serving: Bool = blocking {
      let peer = try listener.accept()
      try peer.listen("the call") { $0.heard.contains { $0.kind == .data } }
      let stream = peer.heard.first { $0.kind == .headers }?.stream ?? 1
      peer.say(.headers(stream, [(":status", "200"), ("content-type", "application/grpc")]))
      let bytes = Self.message(400 << 10) + Self.message(900 << 10)
      var sent = 0
      /// What the client lets this end send.
      func room() -> Int {
        peer.heard.reduce(Self.window - sent) { room, frame in
          guard frame.kind == .windowUpdate, frame.stream == stream else { return room }
          return room + frame.payload.reduce(0) { $0 << 8 | Int($1) }
        }
      }
      while sent < bytes.count {
        let count = min(16 << 10, room(), bytes.count - sent)
        if count > 0 {
          peer.say(.data(stream, Array(bytes[sent..<(sent + count)])))
          sent += count
          continue
        }
        // Whatever the client has said to all of it.
        try peer.listenToPing(UInt64(sent))
        guard room() == 0 else { continue }
        fill.yield()
        try peer.listen("more credit") { _ in room() > 0 }
      }
      peer.say(.headers(stream, [("grpc-status", "0")], ends: true))
      peer.finish()
      return true
    }
    for await _ in filled { break }
    var sizes: [Int] = []
    for try await message in call { sizes.append(message.count) }
    #expect(sizes == [400 << 10, 900 << 10])
    channel.close()
    #expect(try await serving)
  }
}
