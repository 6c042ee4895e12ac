import Synchronization
import VoleryEventLoops

/// A server of HTTP/2 that says what a test wants it to: SETTINGS at once, and to each request's headers whatever `answer`
/// makes of the stream's number.
final class RawFrameServer: Sendable {
  private let listener: Listener
  var target: String {
    guard case .tcp(let host, let port) = listener.localAddress else { preconditionFailure("it listens on TCP") }
    return "ipv4:\(host):\(port)"
  }

  init(answer: @escaping @Sendable (_ streamID: Int) -> [UInt8]) throws {
    let loop = try EventLoopGroup.shared().next()
    listener = try Listener(.tcp(host: "127.0.0.1", port: 0), on: loop) { descriptor, isTCP in
      guard let socket = try? Socket(adopting: descriptor, isTCP: isTCP, on: loop) else { return }
      socket.delegate = Connection(socket, answer)
      socket.startReading()
      RawFrameServer.write(RawFrameServer.frame(4, flags: 0, stream: 0, []), to: socket)
    }
    listener.start()
  }

  func stop() { listener.stop() }

  static func frame(_ type: UInt8, flags: UInt8, stream: Int, _ payload: [UInt8]) -> [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags]
      + (0..<4).map { UInt8(stream >> (24 - 8 * $0) & 255) } + payload
  }

  /// GOAWAY: no stream was taken.
  static func goAway(_ code: UInt8, _ debug: String) -> [UInt8] {
    frame(7, flags: 0, stream: 0, [0, 0, 0, 0, 0, 0, 0, code] + Array(debug.utf8))
  }

  /// HEADERS of status 200 with these fields, short ones, which end the stream.
  static func headers(_ stream: Int, _ fields: [(String, String)]) -> [UInt8] {
    let block = fields.reduce(into: [0x88] as [UInt8]) { block, field in
      block += [0, UInt8(field.0.utf8.count)] + Array(field.0.utf8)
      block += [UInt8(field.1.utf8.count)] + Array(field.1.utf8)
    }
    return frame(1, flags: 5, stream: stream, block)
  }

  private static func write(_ bytes: [UInt8], to socket: Socket) { bytes.withUnsafeBytes { socket.write($0) } }

  /// On its loop.
  private final class Connection: SocketDelegate {
    private unowned let socket: Socket
    private let answer: @Sendable (Int) -> [UInt8]
    private var bytes: [UInt8] = []
    private var hasPreface = false

    init(_ socket: Socket, _ answer: @escaping @Sendable (Int) -> [UInt8]) {
      self.socket = socket
      self.answer = answer
    }

    func received(_ more: UnsafeRawBufferPointer) {
      bytes += more
      if !hasPreface, bytes.count >= 24 {
        hasPreface = true
        bytes.removeFirst(24)
      }
      while hasPreface, bytes.count >= 9 {
        let count = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        guard bytes.count >= 9 + count else { return }
        let stream = bytes[5..<9].reduce(0) { $0 << 8 | Int($1) }
        if bytes[3] == 1 { RawFrameServer.write(answer(stream), to: socket) }
        bytes.removeFirst(9 + count)
      }
    }

    func receivedEnd() { socket.close() }
    func writesDrained() {}
    func failed(_ error: SocketError) {}
  }
}
