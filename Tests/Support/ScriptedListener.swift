import Foundation

/// A port of this machine on which a script plays the server.
package final class ScriptedListener: Sendable {
  package let port: Int
  private let descriptor: Int32

  package init() throws {
    // Programs that tests start have none of them: one would hold a connection open that its end has closed.
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in(loopback: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = descriptor
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) | listen(descriptor, 128) | getsockname(descriptor, $0, &length)
      }
    }
    guard code == 0 else { throw ScriptedPeer.Failure(description: "no port") }
    port = Int(UInt16(bigEndian: address.sin_port))
  }

  deinit { close(descriptor) }

  /// Nobody connects any more; who waits for a connection is told so.
  package func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// The server's end of the next connection, which has said nothing and heard nothing.
  package func acceptSilent(limit seconds: Int = 10) throws -> ScriptedPeer {
    let accepted = Foundation.accept(descriptor, nil, nil)
    guard accepted >= 0 else { throw ScriptedPeer.Failure(description: "nobody connects") }
    _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
    return ScriptedPeer(adopting: accepted, limit: seconds)
  }

  /// The server's end of the next connection, which has said its settings.
  package func accept(settings: [(UInt16, UInt32)] = []) throws -> ScriptedPeer {
    let peer = try acceptSilent()
    peer.readPreface()
    peer.say(.settings(settings), .settingsAcknowledged)
    return peer
  }
}

extension sockaddr_in {
  init(loopback port: Int) {
    self.init()
    sin_family = sa_family_t(AF_INET)
    sin_port = UInt16(port).bigEndian
    sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  }
}
