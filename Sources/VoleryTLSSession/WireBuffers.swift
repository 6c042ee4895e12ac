import COpenSSL
import VoleryPlatform

/// What OpenSSL reads from and writes to instead of a socket: bytes of the caller's, which are only looked at, and a buffer
/// that grows. Plain memory at a fixed place, because C holds its address.
struct WireBuffers {
  /// Valid while `TLSSession.receive` runs.
  var input: UnsafeRawPointer?
  var inputCount = 0
  var output: UnsafeMutableRawPointer?
  var outputCount = 0
  private var outputCapacity = 0

  /// A buffer of about a record's size is made anew each time there is something to say: most connections of most programs have
  /// nothing to say most of the time. One that large messages have made larger is kept, up to the second size.
  private static let passingCapacity = 20 << 10
  private static let keptCapacity = 512 << 10

  fileprivate mutating func read(_ target: UnsafeMutablePointer<CChar>, _ limit: Int) -> Int {
    let count = min(limit, inputCount)
    guard count > 0, let input else { return 0 }
    memcpy(target, input, count)
    self.input = input + count
    inputCount -= count
    return count
  }

  fileprivate mutating func write(_ bytes: UnsafePointer<CChar>, _ count: Int) -> Bool {
    if outputCount + count > outputCapacity {
      let capacity = max(outputCount + count, outputCapacity * 2, 1024)
      guard let larger = realloc(output, capacity) else { return false }
      output = larger
      outputCapacity = capacity
    }
    memcpy(output! + outputCount, bytes, count)
    outputCount += count
    return true
  }

  mutating func write(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { _ = write($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
  }

  mutating func outputTaken() {
    outputCount = 0
    if outputCapacity <= WireBuffers.passingCapacity || outputCapacity > WireBuffers.keptCapacity { free() }
  }

  mutating func free() {
    VoleryPlatform.free(output)
    output = nil
    outputCapacity = 0
    outputCount = 0
  }
}

extension WireBuffers {
  /// A BIO over these buffers, which have to outlive it.
  static func makeBIO(_ buffers: UnsafeMutablePointer<WireBuffers>) -> OpaquePointer? {
    guard let bio = BIO_new(method) else { return nil }
    BIO_set_data(bio, buffers)
    BIO_set_init(bio, 1)
    return bio
  }

  private static func of(_ bio: OpaquePointer?) -> UnsafeMutablePointer<WireBuffers> {
    BIO_get_data(bio).assumingMemoryBound(to: WireBuffers.self)
  }

  /// The same for all sessions; made once.
  nonisolated(unsafe) private static let method: OpaquePointer = {  // Isolation: constant
    let method: OpaquePointer = BIO_meth_new(BIO_get_new_index() | Int32(BIO_TYPE_SOURCE_SINK), "volery")
    BIO_meth_set_read(method) { bio, target, limit in
      guard let target, limit > 0 else { return 0 }
      let count = WireBuffers.of(bio).pointee.read(target, Int(limit))
      BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
      guard count > 0 else {
        BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
        return -1
      }
      return Int32(count)
    }
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let bytes, count > 0 else { return 0 }
      BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
      return WireBuffers.of(bio).pointee.write(bytes, Int(count)) ? count : -1
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()
}
