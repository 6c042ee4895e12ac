/// Where sockets differ from system to system.
package enum SocketCalls {
  /// SOCK_STREAM; glibc has an enumeration of its own for it.
  package static var stream: Int32 {
    #if canImport(Glibc)
      Int32(SOCK_STREAM.rawValue)
    #else
      SOCK_STREAM
    #endif
  }

  /// A socket that never blocks and is closed on exec; negative, with `errno`, where there is none.
  package static func make(family: Int32, type: Int32, protocol number: Int32 = 0) -> Int32 {
    #if canImport(Glibc)
      return socket(family, type | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), number)
    #else
      let descriptor = socket(family, type, number)
      if descriptor >= 0 { prepare(descriptor) }
      return descriptor
    #endif
  }

  /// The same for one that came from elsewhere.
  package static func prepare(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  /// TCP_USER_TIMEOUT: how long what was sent may stay without an answer from the peer's kernel. Nil where there is no such option.
  package static var userTimeoutOption: Int32? {
    #if os(Linux)
      18
    #else
      nil
    #endif
  }
}
