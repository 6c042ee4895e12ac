import Foundation
import TestSupport
import Testing
import Volery

/// Peers that break the rules: each gets what the specification says, and nobody else notices.
@Suite("Hostile clients", .timeLimit(.minutes(1))) struct HostilePeerTests {
  struct Echo: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Echo", kind: .unary)
    var handlers: [MethodHandler] { [.unary(Echo.method) { request, _ in request }] }
  }

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let emptySettings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]

  static func frame(_ type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
    ScriptedFrame(kind: .init(rawValue: type)!, flags: flags, stream: stream, payload: payload).bytes
  }

  static func headers(_ fields: [(String, String)]) -> [UInt8] { ScriptedFrame.block(fields) }

  static let request: [(String, String)] = [
    (":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Echo"), (":authority", "test"),
    ("content-type", "application/grpc"), ("te", "trailers"),
  ]

  static func call(_ fields: [(String, String)], body: [UInt8] = [0, 0, 0, 0, 0]) -> [UInt8] {
    preface + emptySettings + frame(1, flags: 4, stream: 1, headers(fields)) + frame(0, flags: 1, stream: 1, body)
  }

  static func replacing(_ name: String, _ value: String?) -> [(String, String)] {
    request.compactMap { field in
      guard field.0 == name else { return field }
      return value.map { (name, $0) }
    } + (request.contains { $0.0 == name } ? [] : value.map { [(name, $0)] } ?? [])
  }

  /// Sends bytes to a server of its own and returns what came back until it closed or fell silent, while an honest client
  /// keeps calling.
  func send(_ bytes: [UInt8], until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }) async throws
    -> [UInt8]
  {
    let server = Server(services: [Echo()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    guard case .tcp(_, let port) = address else { return [] }
    let honest = try Channel("ipv4:\(address)")
    _ = try await honest.unary(Echo.method, [1], options: CallOptions(timeout: .seconds(10)))
    let answer = await Task.detached { HostilePeerTests.exchange(port, bytes, isEnough) }.value
    let response = try await honest.unary(Echo.method, [2], options: CallOptions(timeout: .seconds(10)))
    #expect(response.message == [2], "the honest client has to notice nothing")
    return answer
  }

  private static func exchange(_ port: Int, _ bytes: [UInt8], _ isEnough: ([UInt8]) -> Bool) -> [UInt8] {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeBytes(of: &address) {
      connect(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), size)
    }
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { break }
      offset += count
    }
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while !isEnough(answer) {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      answer += buffer[..<count]
    }
    return answer
  }

  /// The frames of an answer: type, flags, stream, payload.
  static func frames(_ bytes: [UInt8]) -> [(type: UInt8, flags: UInt8, stream: Int, payload: [UInt8])] {
    var frames: [(UInt8, UInt8, Int, [UInt8])] = []
    var index = 0
    while index + 9 <= bytes.count {
      let count = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
      guard index + 9 + count <= bytes.count else { break }
      let stream = bytes[(index + 5)..<(index + 9)].reduce(0) { $0 << 8 | Int($1) }
      frames.append((bytes[index + 3], bytes[index + 4], stream, Array(bytes[(index + 9)..<(index + 9 + count)])))
      index += 9 + count
    }
    return frames
  }

  @Test(
    "bytes that are not HTTP/2 end the connection",
    arguments: [
      Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 13) },
      Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8),
    ])
  func notHTTP2(_ bytes: [UInt8]) async throws {
    let answer = Self.frames(try await send(bytes))
    #expect(!answer.contains { $0.type == 1 })
  }

  @Test("a frame that is too long gets GOAWAY FRAME_SIZE_ERROR") func longFrame() async throws {
    let answer = Self.frames(try await send(Self.preface + Self.emptySettings + [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]))
    let goaway = answer.first { $0.type == 7 }
    #expect(goaway?.payload.dropFirst(4).prefix(4) == [0, 0, 0, 6])
  }

  @Test("an endless header block ends its connection") func endlessHeaders() async throws {
    var bytes = Self.preface + Self.emptySettings + Self.frame(1, flags: 0, stream: 1, Self.headers(Self.request))
    for _ in 0..<2000 {
      bytes += Self.frame(9, flags: 0, stream: 1, Self.headers([("x-filler", String(repeating: "a", count: 100))]))
    }
    let answer = Self.frames(try await send(bytes))
    #expect(answer.contains { $0.type == 7 })
  }

  @Test("rapid resets get GOAWAY ENHANCE_YOUR_CALM") func rapidReset() async throws {
    var bytes = Self.preface + Self.emptySettings
    for index in 0..<5000 {
      let stream = UInt32(2 * index + 1)
      bytes += Self.frame(1, flags: 4, stream: stream, Self.headers(Self.request))
      bytes += Self.frame(3, flags: 0, stream: stream, [0, 0, 0, 8])
    }
    let answer = Self.frames(try await send(bytes) { Self.frames($0).contains { $0.type == 7 } })
    let goAway = try #require(answer.first { $0.type == 7 })
    #expect(goAway.payload.dropFirst(4).prefix(4) == [0, 0, 0, 11])
  }

  @Test(
    "a request with a foreign content-type gets HTTP 415, another method 405",
    arguments: [
      ("content-type", "text/html", "415"), ("content-type", "application/grpc-web", "415"), (":method", "GET", "405"),
    ])
  func notGRPC(_ name: String, _ value: String, _ status: String) async throws {
    let answer = Self.frames(try await send(Self.call(Self.replacing(name, value)), until: { Self.hasHeaders($0) }))
    let headers = try #require(answer.first { $0.type == 1 })
    #expect(Self.contains(headers.payload, status))
  }

  /// Whether the answer has its last header block.
  static func hasHeaders(_ bytes: [UInt8]) -> Bool { frames(bytes).contains { $0.type == 1 && $0.flags & 1 == 1 } }

  /// HPACK may write text plain or by Huffman's code: both are looked for, with the digits that these tests need.
  static func contains(_ block: [UInt8], _ text: String) -> Bool {
    let codes: [Character: (UInt64, Int)] = [
      "0": (0, 5), "1": (1, 5), "2": (2, 5), "3": (0x19, 6), "4": (0x1a, 6), "5": (0x1b, 6), "8": (0x1e, 6),
    ]
    var bits: UInt64 = 0
    var count = 0
    for digit in text {
      guard let code = codes[digit] else { return false }
      bits = bits << UInt64(code.1) | code.0
      count += code.1
    }
    let padding = (8 - count % 8) % 8
    bits = bits << UInt64(padding) | (1 << UInt64(padding) - 1)
    let huffman = (0..<((count + 7) / 8)).reversed().map { UInt8(bits >> UInt64(8 * $0) & 255) }
    return [Array(text.utf8), huffman].contains { needle in
      block.indices.contains { block[$0...].starts(with: needle) }
    }
  }

  @Test(
    "wrong requests are answered with a status, and the connection lives",
    arguments: [
      ("te", nil as String?), ("grpc-timeout", "soon"), ("grpc-timeout", "123456789S"), ("x-data-bin", "!!!"),
      (":path", "/test.Echo/Nothing"),
    ])
  func wrongRequests(_ name: String, _ value: String?) async throws {
    let second =
      Self.frame(1, flags: 4, stream: 3, Self.headers(Self.request))
      + Self.frame(0, flags: 1, stream: 3, [0, 0, 0, 0, 0])
    let answer = Self.frames(
      try await send(
        Self.call(Self.replacing(name, value)) + second,
        until: { bytes in
          Set(Self.frames(bytes).filter { $0.type == 1 && $0.flags & 1 == 1 }.map(\.stream)) == [1, 3]
        }))
    #expect(answer.contains { $0.type == 1 && $0.stream == 1 && $0.flags & 1 == 1 })
    #expect(answer.contains { $0.type == 1 && $0.stream == 3 && $0.flags & 1 == 1 }, "the next call has to succeed")
    #expect(!answer.contains { $0.type == 7 })
  }

  @Test("a path that is none resets its stream, and no other") func wrongPath() async throws {
    let second =
      Self.frame(1, flags: 4, stream: 3, Self.headers(Self.request))
      + Self.frame(0, flags: 1, stream: 3, [0, 0, 0, 0, 0])
    let answer = Self.frames(
      try await send(
        Self.call(Self.replacing(":path", "nonsense")) + second,
        until: { bytes in
          Self.frames(bytes).contains { $0.type == 1 && $0.flags & 1 == 1 && $0.stream == 3 }
        }))
    #expect(answer.contains { $0.type == 3 && $0.stream == 1 })
    #expect(answer.contains { $0.type == 0 && $0.stream == 3 })
  }

  @Test(
    "half a message, a wrong flag and a hostile length end their call only",
    arguments: [
      [0, 0, 0, 0, 9, 1, 2], [7, 0, 0, 0, 1, 1], [0, 0xff, 0xff, 0xff, 0xff, 1], [0, 0, 0], [1, 0, 0, 0, 1, 1],
    ] as [[UInt8]])
  func wrongMessages(_ body: [UInt8]) async throws {
    let second =
      Self.frame(1, flags: 4, stream: 3, Self.headers(Self.request))
      + Self.frame(0, flags: 1, stream: 3, [0, 0, 0, 0, 0])
    let answer = Self.frames(
      try await send(
        Self.call(Self.request, body: body) + second,
        until: { bytes in
          Set(Self.frames(bytes).filter { $0.type == 1 && $0.flags & 1 == 1 }.map(\.stream)) == [1, 3]
        }))
    #expect(answer.contains { $0.stream == 1 && $0.type == 1 })
    #expect(answer.contains { $0.type == 0 && $0.stream == 3 }, "the next call has to succeed")
  }
}
