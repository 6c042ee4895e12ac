import Foundation
package import VoleryTypes

/// One end of a connection that says what a script wants and keeps everything that it hears. Each wait has a limit.
package final class ScriptedPeer: @unchecked Sendable {
  package struct Failure: Error, CustomStringConvertible { package let description: String }

  package static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  /// A request as any gRPC client sends it.
  package static let request: [(String, String)] = [
    (":method", "POST"), (":scheme", "http"), (":path", "/test.Scripted/Echo"), (":authority", "test"),
    ("content-type", "application/grpc"), ("te", "trailers"),
  ]
  package static let emptyMessage: [UInt8] = [0, 0, 0, 0, 0]

  private let descriptor: Int32
  private var unread: [UInt8] = []
  /// Everything that the peer has said.
  package private(set) var heard: [ScriptedFrame] = []
  private let inflater = HeaderInflater()
  /// The fields of the header blocks that have come, in order: of each stream its headers, then its trailers.
  package private(set) var blocks: [(stream: UInt32, fields: [(String, String)])] = []
  private var block: [UInt8] = []
  package private(set) var isClosed = false
  package private(set) var goAway: ScriptedFrame?
  private var ended: Set<UInt32> = []

  /// - Parameter limit: How long it waits for the other end.
  init(adopting descriptor: Int32, limit seconds: Int = 10) {
    self.descriptor = descriptor
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// A client: connects, says its preface and these settings, and takes the server's.
  package static func client(of address: SocketAddress, settings: [(UInt16, UInt32)] = []) throws -> ScriptedPeer {
    guard case .tcp(_, let port) = address else { throw Failure(description: "\(address) is no port") }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var place = sockaddr_in(loopback: port)
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
  }

  package func say(_ frames: ScriptedFrame...) { say(frames) }

  package func say(_ frames: [ScriptedFrame]) { say(bytes: frames.flatMap(\.bytes)) }

  package func say(bytes: [UInt8]) {
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
  package func listen(_ what: String, orClosed: Bool = false, until isThere: (ScriptedPeer) -> Bool) throws {
    while !isThere(self) {
      guard hearMore() else {
        if isClosed, orClosed { return }
        let end = isClosed ? "the connection was closed" : "nothing more came"
        throw Failure(description: "no \(what): \(end) after \(heard.suffix(6))")
      }
    }
  }

  /// Everything that the peer says before it answers a PING, or until it closes the connection.
  package func listenToPing(_ number: UInt64 = 0x7065_6572) throws {
    say(.ping(number))
    try listen("answer to a PING", orClosed: true) { $0.heard.contains { $0.answers(number) } }
  }

  /// Gives each frame that comes to `react`, until that returns false or the peer closes the connection. PINGs are answered.
  package func converse(_ react: (ScriptedFrame) throws -> Bool) throws {
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

  /// Takes a client's preface.
  package func readPreface() {
    var left = ScriptedPeer.preface.count
    var buffer = [UInt8](repeating: 0, count: left)
    while left > 0 {
      let count = recv(descriptor, &buffer, left, 0)
      guard count > 0 else { return }
      left -= count
    }
  }

  /// Says no more, and hears until the peer closes the connection: what was said before is not lost.
  package func finish() {
    shutdown(descriptor, Int32(SHUT_WR))
    while hearMore() {}
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
    blocks.append((frame.stream, inflater.fields(of: block).fields))
    block = []
  }

  // MARK: What has been heard

  package func hasEnded(_ stream: UInt32) -> Bool { ended.contains(stream) }

  package func reset(of stream: UInt32) -> UInt32? {
    heard.first { $0.kind == .reset && $0.stream == stream }?.errorCode
  }

  /// The value of a field in any of a stream's header blocks.
  package func field(_ name: String, of stream: UInt32) -> String? {
    for block in blocks where block.stream == stream {
      if let field = block.fields.first(where: { $0.0 == name }) { return field.1 }
    }
    return nil
  }

  package func dataCount(of stream: UInt32) -> Int {
    heard.reduce(0) { $0 + ($1.kind == .data && $1.stream == stream ? $1.payload.count : 0) }
  }
}

extension ScriptedFrame {
  fileprivate func answers(_ number: UInt64) -> Bool {
    kind == .ping && flags == ScriptedFrame.acknowledgement && payload == ScriptedFrame.ping(number).payload
  }
}

/// Runs what blocks on a thread of its own: tests and handlers share the others.
package func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
  }
}
