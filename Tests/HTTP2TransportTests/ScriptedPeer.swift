import CNGHTTP2
import Foundation
import Volery

/// A frame as a peer's script says and hears it (RFC 9113, 4.1).
struct ScriptedFrame: Sendable, CustomStringConvertible {
  enum Kind: UInt8, Sendable {
    case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
  }

  static let endStream: UInt8 = 1
  static let acknowledgement: UInt8 = 1
  static let endHeaders: UInt8 = 4

  var kind: Kind
  var flags: UInt8 = 0
  var stream: UInt32 = 0
  var payload: [UInt8] = []

  var bytes: [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), kind.rawValue, flags]
      + withUnsafeBytes(of: stream.bigEndian, Array.init) + payload
  }

  var endsStream: Bool {
    (kind == .data || kind == .headers) && flags & ScriptedFrame.endStream != 0
  }
  /// Of RST_STREAM and GOAWAY.
  var errorCode: UInt32? {
    switch kind {
    case .reset: number(at: 0)
    case .goAway: number(at: 4)
    default: nil
    }
  }
  /// Of GOAWAY.
  var debugText: String { String(decoding: payload.dropFirst(8), as: UTF8.self) }

  private func number(at offset: Int) -> UInt32 { payload[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) } }

  var description: String {
    let code = errorCode.map { " code \($0)" } ?? ""
    return "\(kind) on \(stream), flags \(flags), \(payload.count) bytes\(code)"
  }

  static func data(_ stream: UInt32, _ payload: [UInt8], ends: Bool = false) -> ScriptedFrame {
    ScriptedFrame(kind: .data, flags: ends ? endStream : 0, stream: stream, payload: payload)
  }

  static func headers(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false) -> ScriptedFrame {
    let flags = endHeaders | (ends ? endStream : 0)
    return ScriptedFrame(kind: .headers, flags: flags, stream: stream, payload: block(fields))
  }

  static func reset(_ stream: UInt32, _ code: UInt32) -> ScriptedFrame {
    ScriptedFrame(kind: .reset, stream: stream, payload: withUnsafeBytes(of: code.bigEndian, Array.init))
  }

  static func ping(_ number: UInt64 = 0) -> ScriptedFrame {
    ScriptedFrame(kind: .ping, payload: withUnsafeBytes(of: number.bigEndian, Array.init))
  }

  static func windowUpdate(_ stream: UInt32, _ count: UInt32) -> ScriptedFrame {
    ScriptedFrame(kind: .windowUpdate, stream: stream, payload: withUnsafeBytes(of: count.bigEndian, Array.init))
  }

  static func settings(_ entries: [(UInt16, UInt32)] = []) -> ScriptedFrame {
    let payload = entries.flatMap { id, value in
      withUnsafeBytes(of: id.bigEndian, Array.init) + withUnsafeBytes(of: value.bigEndian, Array.init)
    }
    return ScriptedFrame(kind: .settings, payload: payload)
  }

  static let settingsAcknowledged = ScriptedFrame(kind: .settings, flags: acknowledgement)

  /// Literal fields without indexing and without Huffman (RFC 7541, 6.2.2).
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    fields.reduce(into: []) { block, field in block += literal(field.0, field.1) }
  }

  private static func literal(_ name: String, _ value: String) -> [UInt8] {
    var field: [UInt8] = [0]
    field += integer(name.utf8.count)
    field += Array(name.utf8)
    field += integer(value.utf8.count)
    field += Array(value.utf8)
    return field
  }

  /// A length with a prefix of 7 bits (RFC 7541, 5.1).
  static func integer(_ value: Int) -> [UInt8] {
    guard value >= 127 else { return [UInt8(value)] }
    var rest = value - 127
    var out: [UInt8] = [127]
    while rest >= 128 {
      out.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    return out + [UInt8(rest)]
  }

  /// A header block of any size, in as many frames as it takes.
  static func largeHeaders(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false) -> [ScriptedFrame] {
    let block = block(fields)
    var frames: [ScriptedFrame] = []
    for start in stride(from: 0, to: block.count, by: 16384) {
      let piece = Array(block[start..<min(start + 16384, block.count)])
      frames.append(ScriptedFrame(kind: start == 0 ? .headers : .continuation, stream: stream, payload: piece))
    }
    if ends { frames[0].flags |= endStream }
    frames[frames.count - 1].flags |= endHeaders
    return frames
  }
}

/// One end of a connection that says what a script wants and keeps everything that it hears. Each wait has a limit.
final class ScriptedPeer: @unchecked Sendable {
  struct Failure: Error, CustomStringConvertible { let description: String }

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  /// A request as any gRPC client sends it.
  static let request: [(String, String)] = [
    (":method", "POST"), (":scheme", "http"), (":path", "/test.Scripted/Echo"), (":authority", "test"),
    ("content-type", "application/grpc"), ("te", "trailers"),
  ]
  static let emptyMessage: [UInt8] = [0, 0, 0, 0, 0]

  private let descriptor: Int32
  private var unread: [UInt8] = []
  /// Everything that the peer has said.
  private(set) var heard: [ScriptedFrame] = []
  private let inflater: OpaquePointer
  /// The fields of the header blocks that have come, in order: of each stream its headers, then its trailers.
  private(set) var blocks: [(stream: UInt32, fields: [(String, String)])] = []
  private var block: [UInt8] = []
  private(set) var isClosed = false
  private(set) var goAway: ScriptedFrame?
  private var ended: Set<UInt32> = []

  fileprivate init(adopting descriptor: Int32) {
    self.descriptor = descriptor
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var inflater: OpaquePointer?
    nghttp2_hd_inflate_new(&inflater)
    self.inflater = inflater!
  }

  /// A client: connects, says its preface and these settings, and takes the server's.
  static func client(of address: SocketAddress, settings: [(UInt16, UInt32)] = []) throws -> ScriptedPeer {
    guard case .tcp(_, let port) = address else { throw Failure(description: "\(address) is no port") }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var place = loopback(port)
    let code = withUnsafePointer(to: &place) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    let peer = ScriptedPeer(adopting: descriptor)
    guard code == 0 else { throw Failure(description: "no connection to \(address)") }
    peer.say(bytes: preface + ScriptedFrame.settings(settings).bytes)
    try peer.listen("the server's SETTINGS") { $0.heard.contains { $0.kind == .settings && $0.flags == 0 } }
    peer.say(.settingsAcknowledged)
    return peer
  }

  deinit {
    close(descriptor)
    nghttp2_hd_inflate_del(inflater)
  }

  func say(_ frames: ScriptedFrame...) { say(frames) }

  func say(_ frames: [ScriptedFrame]) { say(bytes: frames.flatMap(\.bytes)) }

  func say(bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      offset += count
    }
  }

  /// Hears until there is what is waited for, or the peer closes the connection, which is enough where `orClosed`.
  func listen(_ what: String, orClosed: Bool = false, until isThere: (ScriptedPeer) -> Bool) throws {
    while !isThere(self) {
      guard hearMore() else {
        if isClosed, orClosed { return }
        let end = isClosed ? "the connection was closed" : "nothing more came"
        throw Failure(description: "no \(what): \(end) after \(heard.suffix(6))")
      }
    }
  }

  /// Everything that the peer says before it answers a PING, or until it closes the connection.
  func listenToPing(_ number: UInt64 = 0x7065_6572) throws {
    say(.ping(number))
    try listen("answer to a PING", orClosed: true) { $0.heard.contains { $0.answers(number) } }
  }

  /// Gives each frame that comes to `react`, until that returns false or the peer closes the connection. PINGs are answered.
  func converse(_ react: (ScriptedFrame) throws -> Bool) throws {
    var next = 0
    while true {
      while next < heard.count {
        let frame = heard[next]
        next += 1
        if frame.kind == .ping, frame.flags == 0 {
          say(ScriptedFrame(kind: .ping, flags: ScriptedFrame.acknowledgement, payload: frame.payload))
        }
        guard try react(frame) else { return }
      }
      guard hearMore() else {
        if isClosed { return }
        throw Failure(description: "nothing more came after \(heard.suffix(6))")
      }
    }
  }

  private func hearMore() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    if count == 0 || (count < 0 && errno == ECONNRESET) { isClosed = true }
    guard count > 0 else { return false }
    unread += buffer[..<count]
    takeFrames()
    return true
  }

  private func takeFrames() {
    var index = 0
    while index + 9 <= unread.count {
      let count = unread[index..<(index + 3)].reduce(0) { $0 << 8 | Int($1) }
      guard index + 9 + count <= unread.count else { break }
      let stream = unread[(index + 5)..<(index + 9)].reduce(0) { $0 << 8 | UInt32($1) }
      if let kind = ScriptedFrame.Kind(rawValue: unread[index + 3]) {
        let payload = Array(unread[(index + 9)..<(index + 9 + count)])
        hear(ScriptedFrame(kind: kind, flags: unread[index + 4], stream: stream, payload: payload))
      }
      index += 9 + count
    }
    unread.removeFirst(index)
  }

  private func hear(_ frame: ScriptedFrame) {
    heard.append(frame)
    if frame.endsStream || frame.kind == .reset { ended.insert(frame.stream) }
    if frame.kind == .goAway, goAway == nil { goAway = frame }
    guard frame.kind == .headers || frame.kind == .continuation else { return }
    block += frame.payload
    guard frame.flags & ScriptedFrame.endHeaders != 0 else { return }
    blocks.append((frame.stream, inflated()))
    block = []
  }

  private func inflated() -> [(String, String)] {
    var fields: [(String, String)] = []
    var rest = block[...]
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let used = rest.withUnsafeBufferPointer {
        nghttp2_hd_inflate_hd2(inflater, &field, &flags, $0.baseAddress, $0.count, 1)
      }
      guard used >= 0 else { return fields }
      rest = rest.dropFirst(used)
      if flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        func text(_ start: UnsafeMutablePointer<UInt8>?, _ count: Int) -> String {
          String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        }
        fields.append((text(field.name, field.namelen), text(field.value, field.valuelen)))
      }
      if flags & Int32(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
        nghttp2_hd_inflate_end_headers(inflater)
        return fields
      }
    }
  }

  // MARK: What has been heard

  func hasEnded(_ stream: UInt32) -> Bool { ended.contains(stream) }

  func reset(of stream: UInt32) -> UInt32? { heard.first { $0.kind == .reset && $0.stream == stream }?.errorCode }

  /// The value of a field in any of a stream's header blocks.
  func field(_ name: String, of stream: UInt32) -> String? {
    for block in blocks where block.stream == stream {
      if let field = block.fields.first(where: { $0.0 == name }) { return field.1 }
    }
    return nil
  }

  func dataCount(of stream: UInt32) -> Int {
    heard.reduce(0) { $0 + ($1.kind == .data && $1.stream == stream ? $1.payload.count : 0) }
  }
}

extension ScriptedFrame {
  fileprivate func answers(_ number: UInt64) -> Bool {
    kind == .ping && flags == ScriptedFrame.acknowledgement && payload == ScriptedFrame.ping(number).payload
  }
}

/// A port of this machine on which a script plays the server.
final class ScriptedListener: Sendable {
  let port: Int
  private let descriptor: Int32

  init() throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) | listen(descriptor, 16) | getsockname(descriptor, $0, &length)
      }
    }
    guard code == 0 else { throw ScriptedPeer.Failure(description: "no port") }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  deinit { close(descriptor) }

  /// The server's end of the next connection, which has said its settings.
  func accept(settings: [(UInt16, UInt32)] = []) throws -> ScriptedPeer {
    let accepted = Foundation.accept(descriptor, nil, nil)
    guard accepted >= 0 else { throw ScriptedPeer.Failure(description: "nobody connects") }
    let peer = ScriptedPeer(adopting: accepted)
    peer.readPreface()
    peer.say(.settings(settings), .settingsAcknowledged)
    return peer
  }
}

extension ScriptedPeer {
  fileprivate func readPreface() {
    var left = ScriptedPeer.preface.count
    var buffer = [UInt8](repeating: 0, count: left)
    while left > 0 {
      let count = recv(descriptor, &buffer, left, 0)
      guard count > 0 else { return }
      left -= count
    }
  }
}

/// Runs what blocks on a thread of its own: tests and handlers share the others.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
  }
}

private func loopback(_ port: Int) -> sockaddr_in {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = UInt16(port).bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  return address
}
