import Foundation

/// One page over HTTP/1.0, which is all that a scrape needs: a thread that answers one request after another. A program that has an
/// HTTP server already gives it one more route instead.
enum MetricsPage {
  struct Failure: Error {
    let what: String
  }

  static func serve(on port: UInt16, _ text: @escaping @Sendable () -> String) throws {
    #if os(Linux)
      let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    #else
      let listener = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard listener >= 0 else { throw Failure(what: "no socket") }
    var yes: CInt = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    guard isBound, listen(listener, 16) == 0 else { throw Failure(what: "port \(port) is taken") }
    // A page that is left half read must not end the program.
    signal(SIGPIPE, SIG_IGN)
    Thread.detachNewThread {
      while true { answer(accept(listener, nil, nil), text) }
    }
  }

  private static func answer(_ client: CInt, _ text: () -> String) {
    guard client >= 0 else { return }
    defer { close(client) }
    var patience = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var request = [UInt8](repeating: 0, count: 8192)
    guard recv(client, &request, request.count, 0) > 0 else { return }
    let body = text()
    let head =
      "HTTP/1.0 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
    var rest = Array((head + body).utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { send(client, $0.baseAddress, $0.count, 0) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
