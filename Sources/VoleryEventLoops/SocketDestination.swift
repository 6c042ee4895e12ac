import CLibUV
import VoleryPlatform

/// Where a stream socket leads to or listens: no names, literals only.
package enum SocketDestination: Hashable, Sendable {
  /// An IPv4 or IPv6 literal (with a zone where needed, `fe80::1%eth0`) and a port.
  case tcp(host: String, port: Int)
  case unix(path: String)
  /// Linux's abstract namespace; the name without its leading NUL.
  case unixAbstract(name: String)

  /// The address as the system wants it; nil when it is not a literal or too long.
  func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result? {
    var storage = sockaddr_storage()
    return withUnsafeMutableBytes(of: &storage) { bytes -> Result? in
      guard let length = write(into: bytes) else { return nil }
      return body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), length)
    }
  }

  private func write(into bytes: UnsafeMutableRawBufferPointer) -> socklen_t? {
    let base = bytes.baseAddress!
    switch self {
    case .tcp(let host, let port):
      guard (0...65535).contains(port) else { return nil }
      if uv_ip4_addr(host, Int32(port), base.assumingMemoryBound(to: sockaddr_in.self)) == 0 {
        return socklen_t(MemoryLayout<sockaddr_in>.size)
      }
      let ipv6 = base.assumingMemoryBound(to: sockaddr_in6.self)
      if uv_ip6_addr(host, Int32(port), ipv6) == 0 {
        // libuv knows zones by name; RFC 4007, 11.2 has their numbers too.
        if let percent = host.firstIndex(of: "%"), let number = UInt32(host[host.index(after: percent)...]) {
          ipv6.pointee.sin6_scope_id = number
        }
        return socklen_t(MemoryLayout<sockaddr_in6>.size)
      }
      return nil
    case .unix(let path):
      return SocketDestination.writeUnix(Array(path.utf8) + [0], into: base)
    case .unixAbstract(let name):
      return SocketDestination.writeUnix([0] + Array(name.utf8), into: base)
    }
  }

  private static func writeUnix(_ name: [UInt8], into base: UnsafeMutableRawPointer) -> socklen_t? {
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    guard name.count <= MemoryLayout<sockaddr_un>.size - offset else { return nil }
    base.assumingMemoryBound(to: sockaddr_un.self).pointee.sun_family = sa_family_t(AF_UNIX)
    name.withUnsafeBytes { (base + offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    return socklen_t(offset + name.count)
  }

  var family: Int32 {
    switch self {
    case .tcp(let host, _): host.contains(":") ? AF_INET6 : AF_INET
    case .unix, .unixAbstract: AF_UNIX
    }
  }

  /// Reads back what the system tells of a socket's end; nil for an unnamed unix socket.
  init?(_ storage: sockaddr_storage, length: socklen_t) {
    var storage = storage
    switch Int32(storage.ss_family) {
    case AF_INET, AF_INET6:
      var text = [CChar](repeating: 0, count: 64)
      let isIPv6 = Int32(storage.ss_family) == AF_INET6
      let port: UInt16 = withUnsafeBytes(of: &storage) { bytes in
        let base = bytes.baseAddress!
        if isIPv6 {
          let address = base.assumingMemoryBound(to: sockaddr_in6.self)
          uv_ip6_name(address, &text, 64)
          return address.pointee.sin6_port
        }
        let address = base.assumingMemoryBound(to: sockaddr_in.self)
        uv_ip4_name(address, &text, 64)
        return address.pointee.sin_port
      }
      var bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      // An IPv4 peer of a socket for both families: say it as everybody else does.
      if bytes.starts(with: "::ffff:".utf8), bytes.contains(UInt8(ascii: ".")) { bytes.removeFirst(7) }
      self = .tcp(host: String(decoding: bytes, as: UTF8.self), port: Int(UInt16(bigEndian: port)))
    case AF_UNIX:
      let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
      guard Int(length) > offset else { return nil }
      let name = withUnsafeBytes(of: &storage) { Array($0[offset..<Int(length)]) }
      if name[0] == 0 {
        self = .unixAbstract(name: String(decoding: name.dropFirst(), as: UTF8.self))
      } else {
        self = .unix(path: String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))
      }
    default: return nil
    }
  }
}
