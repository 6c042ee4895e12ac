import CCares
import VoleryPlatform

/// The sockets of c-ares, as it would make them itself, but for one thing: what servers say that have no answer (SERVFAIL,
/// NOTIMP, REFUSED) is noted. c-ares goes to the next server then, and up to 1.18 it says in the end that it could not contact
/// any.
enum DNSSockets {
  /// Which server has refused to answer a question, and how.
  struct Refusal: Equatable {
    let code: String
    let server: String
  }

  /// c-ares keeps the pointer.
  nonisolated(unsafe) private static let functions: UnsafeMutablePointer<ares_socket_functions> = {  // Isolation: constant
    let functions = UnsafeMutablePointer<ares_socket_functions>.allocate(capacity: 1)
    functions.initialize(to: ares_socket_functions())
    functions.pointee.asocket = { family, type, kind, _ in DNSSockets.make(family, type, kind) }
    functions.pointee.aclose = { socket, _ in close(socket) }
    functions.pointee.aconnect = { socket, address, length, _ in connect(socket, address, length) }
    functions.pointee.arecvfrom = { socket, buffer, count, flags, from, length, context in
      let received = recvfrom(socket, buffer, count, flags, from, length)
      if received > 0, let buffer, let context {
        Unmanaged<DNSClient>.fromOpaque(context).takeUnretainedValue()
          .received(UnsafeRawBufferPointer(start: buffer, count: received), on: socket)
      }
      return received
    }
    functions.pointee.asendv = { socket, pieces, count, _ in writev(socket, pieces, count) }
    return functions
  }()

  /// - Parameter client: Owns the channel, and so outlives it.
  static func install(in channel: ares_channel, for client: DNSClient) {
    ares_set_socket_functions(channel, functions, Unmanaged.passUnretained(client).toOpaque())
  }

  private static func make(_ family: Int32, _ type: Int32, _ kind: Int32) -> ares_socket_t {
    let descriptor = SocketCalls.make(family: family, type: type, protocol: kind)
    guard descriptor >= 0, type == SocketCalls.stream else { return descriptor }
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    return descriptor
  }

  /// What a datagram says of the question that it answers; nil for an answer, and for what is none.
  static func refusal(_ bytes: UnsafeRawBufferPointer) -> (type: DNSRecordType, code: String)? {
    // RFC 1035, 4.1.1: a response, and its code.
    guard bytes.count > 12, bytes[2] & 0x80 != 0, let code = codes[bytes[3] & 15] else { return nil }
    // One question, whose name is not compressed: its type follows the empty label.
    var index = 12
    while index < bytes.count, bytes[index] != 0, bytes[index] < 64 { index += 1 + Int(bytes[index]) }
    guard index + 2 < bytes.count, bytes[index] == 0 else { return nil }
    let type = DNSRecordType(rawValue: UInt16(bytes[index + 1]) << 8 | UInt16(bytes[index + 2]))
    return type.map { ($0, code) }
  }

  private static let codes: [UInt8: String] = [2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"]

  /// The server at the other end.
  static func server(of socket: ares_socket_t) -> String {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutableBytes(of: &storage) {
      getpeername(socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    guard result == 0 else { return "the DNS server" }
    let family = Int32(storage.ss_family)
    return withUnsafeBytes(of: &storage) { bytes in
      let port = Int(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
      let text =
        AddressLiteral.text(of: bytes.baseAddress! + (family == AF_INET ? 4 : 8), family: family) ?? "the DNS server"
      return port == 53 ? text : AddressLiteral.text(host: text, port: port)
    }
  }
}
