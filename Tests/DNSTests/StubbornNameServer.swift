import Foundation
import Synchronization

/// A DNS server that answers every question with one code (RFC 1035, 4.1.1), and nothing else.
final class StubbornNameServer: Sendable {
  let port: Int
  private let descriptor: Int32

  init(code: UInt8) {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    self.descriptor = descriptor
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) { bytes in
      let address = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
      bind(descriptor, address, size)
      getsockname(descriptor, address, &size)
    }
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread {
      var buffer = [UInt8](repeating: 0, count: 2048)
      while true {
        var from = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &from) { bytes in
          let from = bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
          let count = recvfrom(descriptor, &buffer, buffer.count, 0, from, &length)
          guard count > 12 else { return }
          buffer[2] |= 0x80
          buffer[3] = buffer[3] & 0xf0 | code
          sendto(descriptor, buffer, count, 0, from, length)
        }
        guard length > 0 else { break }
      }
      close(descriptor)
    }
  }

  deinit { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
