import Foundation
import Synchronization
import VoleryHTTP2Session

/// A server that ends its connections as proxies and broken servers do: HTTP/2 of the library's own, on plain sockets with
/// a thread for each connection. Answers each call with OK and an empty message, if at all.
final class ScriptedServer: Sendable {
  enum Answer: String, Sendable, CaseIterable {
    case message, nothing, badGateway, reset, noTrailers, noStatus, twoMessages, emptyOK, badFlag, tooLarge, cutOff,
      closed
    case unknownEncoding
  }

  struct Script: Sendable {
    var answer = Answer.message
    /// A connection's calls, the last of which is followed by GOAWAY, as nginx's `keepalive_requests` has it.
    var callsPerConnection = Int.max
    /// Says GOAWAY with the last id 0 to the first call, and closes.
    var refusesEverything = false
    /// Closes as soon as the client has spoken.
    var closesAtOnce = false
  }

  private struct Counts {
    var connections = 0
    var calls = 0
    var mostCalls = 0
  }

  /// GOAWAY NO_ERROR with the last stream id 0 (RFC 9113, 6.8).
  private static let goodbye: [UInt8] = [0, 0, 8, 7] + [UInt8](repeating: 0, count: 13)

  let port: Int
  private let listener: Int32
  private let script: Script
  private let counts = Mutex(Counts())

  init(_ script: Script) {
    self.script = script
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) { bytes in
      let address = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      bind(listener, address, size)
      listen(listener, 128)
      getsockname(listener, address, &size)
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return }
        Thread.detachNewThread { [self] in serve(descriptor) }
      }
    }
  }

  var target: String { "ipv4:127.0.0.1:\(port)" }
  var connectionCount: Int { counts.withLock { $0.connections } }
  var callCount: Int { counts.withLock { $0.calls } }
  /// Of one connection.
  var mostCalls: Int { counts.withLock { $0.mostCalls } }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve(_ descriptor: Int32) {
    counts.withLock { $0.connections += 1 }
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    let connection = Connection(script)
    let session = HTTP2Session(role: .server, settings: HTTP2Settings(), delegate: connection)
    connection.session = session
    var buffer = [UInt8](repeating: 0, count: 65536)
    while !connection.isOver, !session.isFinished {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      let isFed = (try? buffer[..<count].withUnsafeBytes { try session.feed($0) }) != nil
      while session.pull(
        limit: 1 << 20,
        {
          var sent = 0
          for piece in $0 { sent += max(0, send(descriptor, piece.baseAddress!, piece.count, Int32(MSG_NOSIGNAL))) }
          return sent
        })
      {}
      if !isFed || script.closesAtOnce { break }
    }
    if script.refusesEverything, connection.isOver { send(descriptor, ScriptedServer.goodbye, 17, Int32(MSG_NOSIGNAL)) }
    counts.withLock { counts in
      counts.calls += connection.callCount
      counts.mostCalls = max(counts.mostCalls, connection.callCount)
    }
    close(descriptor)
  }

  private final class Connection: HTTP2SessionDelegate {
    let script: Script
    weak var session: HTTP2Session?
    var callCount = 0
    var isOver = false

    init(_ script: Script) { self.script = script }

    func streamOpened() -> HTTP2Stream? {
      if script.refusesEverything {
        isOver = true
        return HTTP2Stream()
      }
      callCount += 1
      if callCount == script.callsPerConnection { session?.submitGoAway() }
      return callCount > script.callsPerConnection ? nil : Call(self)
    }

    func settingsReceived() {}
    func settingsAcknowledged() {}
    func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool { false }
    func pingReceived(_ opaque: UInt64, isAnswer: Bool) {}
    func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {}
  }

  private final class Call: HTTP2Stream {
    private unowned let owner: Connection

    init(_ owner: Connection) { self.owner = owner }

    override func endReceived() {
      let answer = owner.script.answer
      var headers = HeaderList()
      headers.append(":status", answer == .badGateway ? "502" : "200")
      headers.append("content-type", answer == .badGateway ? "text/html" : "application/grpc")
      if answer == .unknownEncoding { headers.append("grpc-encoding", "zstd") }
      var trailers = HeaderList()
      switch answer {
      case .nothing: return
      case .closed:
        owner.isOver = true
        return
      case .reset: return reset(.internalError)
      case .badGateway: return submitHeaders(headers, hasBody: false)
      default: submitHeaders(headers, hasBody: true)
      }
      switch answer {
      case .emptyOK: break
      case .badFlag: sendBody([7, 0, 0, 0, 0])
      case .tooLarge: sendBody([0, 255, 255, 255, 255])
      case .cutOff: sendBody([0, 0, 0, 0, 9, 1])
      case .unknownEncoding: sendBody([1, 0, 0, 0, 1, 1])
      case .twoMessages: sendBody([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      default: sendBody([0, 0, 0, 0, 0])
      }
      if answer == .noTrailers { return endBody() }
      if answer != .noStatus { trailers.append("grpc-status", "0") } else { trailers.append("x", "y") }
      endBody(trailers: trailers)
    }
  }
}
