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
      return SocketDestination.write(host, UInt16(port).bigEndian, into: bytes.baseAddress!)
    case .unix(let path):
      return SocketDestination.writeUnix(Array(path.utf8) + [0], into: base)
    case .unixAbstract(let name):
      return SocketDestination.writeUnix([0] + Array(name.utf8), into: base)
    }
  }

  private static func write(_ host: String, _ port: UInt16, into base: UnsafeMutableRawPointer) -> socklen_t? {
    if let ipv4 = AddressLiteral.ipv4(host) {
      let address = base.assumingMemoryBound(to: sockaddr_in.self)
      address.pointee.sin_family = sa_family_t(AF_INET)
      address.pointee.sin_port = port
      address.pointee.sin_addr = ipv4
      return socklen_t(MemoryLayout<sockaddr_in>.size)
    }
    guard let ipv6 = AddressLiteral.ipv6(host) else { return nil }
    let address = base.assumingMemoryBound(to: sockaddr_in6.self)
    address.pointee.sin6_family = sa_family_t(AF_INET6)
    address.pointee.sin6_port = port
    address.pointee.sin6_addr = ipv6.address
    // By number or by name (RFC 4007, 11.2).
    if let zone = ipv6.zone { address.pointee.sin6_scope_id = UInt32(zone) ?? if_nametoindex(zone) }
    return socklen_t(MemoryLayout<sockaddr_in6>.size)
  }

  private static func writeUnix(_ name: [UInt8], into base: UnsafeMutableRawPointer) -> socklen_t? {
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
    guard name.count <= MemoryLayout<sockaddr_un>.size - offset else { return nil }
    base.assumingMemoryBound(to: sockaddr_un.self).pointee.sun_family = sa_family_t(AF_UNIX)
    name.withUnsafeBytes { (base + offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    return socklen_t(offset + name.count)
  }

  /// In words, where `withSocketAddress` finds none to listen on.
  var whyNoAddress: String {
    switch self {
    case .tcp(let host, let port):
      guard (0...65535).contains(port) else { return "can't listen on \(self): a port is 0 to 65535" }
      return "can't listen on \(self): \"\(host)\" is not an IP address; write \"127.0.0.1\" for this machine alone, "
        + "\"0.0.0.0\" or \"::\" for the world"
    case .unix(let path): return "can't listen on \(self): a path of \(path.utf8.count) bytes is too long for a socket"
    case .unixAbstract(let name):
      return "can't listen on \(self): a name of \(name.utf8.count) bytes is too long for a socket"
    }
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
      guard var text = SocketDestination.addressText(&storage) else { return nil }
      // An IPv4 peer of a socket for both families: say it as everybody else does.
      if text.hasPrefix("::ffff:"), text.contains(".") { text.removeFirst(7) }
      // The port is in the same place in both.
      let port = withUnsafeBytes(of: &storage) {
        $0.load(fromByteOffset: MemoryLayout<sockaddr_in>.offset(of: \.sin_port)!, as: in_port_t.self)
      }
      self = .tcp(host: text, port: Int(in_port_t(bigEndian: port)))
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

  private static func addressText(_ storage: inout sockaddr_storage) -> String? {
    let family = Int32(storage.ss_family)
    let offset =
      family == AF_INET
      ? MemoryLayout<sockaddr_in>.offset(of: \.sin_addr)! : MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
    return withUnsafeBytes(of: &storage) { AddressLiteral.text(of: $0.baseAddress! + offset, family: family) }
  }
}

extension SocketDestination: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tcp(let host, let port): AddressLiteral.text(host: host, port: port)
    case .unix(let path): "unix:\(path)"
    case .unixAbstract(let name): "unix-abstract:\(name)"
    }
  }
}
