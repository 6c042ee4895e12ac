import COpenSSL
import VoleryPlatform

/// What OpenSSL reads from and writes to instead of a socket: bytes of the caller's, which are only looked at, and a buffer
/// that grows. Plain memory at a fixed place, because C holds its address.
struct WireBuffers {
  /// Valid while `TLSSession.receive` runs.
  var input: UnsafeRawPointer?
  var inputCount = 0
  var output: UnsafeMutableRawPointer?
  /// Bytes from the front of it that are there and have not been taken.
  private(set) var outputCount = 0
  private var outputCapacity = 0
  /// Bytes at the front that have been taken.
  private var takenCount = 0
  /// Of what waits: bytes that the peer did not make this end say.
  private(set) var volunteeredCount = 0
  /// Where buffers go round, which the session holds; nil: each is made anew.
  var lender: Unmanaged<LentBuffer>?

  /// A buffer that has become larger than this is not kept: what a connection makes records of at once fits.
  private static let keptCapacity = 640 << 10

  fileprivate mutating func read(_ target: UnsafeMutablePointer<CChar>, _ limit: Int) -> Int {
    let count = min(limit, inputCount)
    guard count > 0, let input else { return 0 }
    memcpy(target, input, count)
    self.input = input + count
    inputCount -= count
    return count
  }

  fileprivate mutating func write(_ bytes: UnsafePointer<CChar>, _ count: Int) -> Bool {
    let end = takenCount + outputCount
    if outputCapacity - end < count, !grow(to: end + count) { return false }
    memcpy(output! + end, bytes, count)
    outputCount += count
    return true
  }

  private mutating func grow(to count: Int) -> Bool {
    if output == nil, let lent = lender?._withUnsafeGuaranteedRef({ $0.take(&outputCapacity) }) {
      output = lent
      if outputCapacity >= count { return true }
    }
    let capacity = max(count, outputCapacity * 2, 1024)
    guard let larger = realloc(output, capacity) else { return false }
    output = larger
    outputCapacity = capacity
    return true
  }

  mutating func write(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { _ = write($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
  }

  /// What has been written since there were so many bytes is of this end's own accord.
  mutating func volunteered(since count: Int) { volunteeredCount += outputCount - count }

  /// Gives what waits to `body`, which returns how much of it is taken.
  mutating func give(_ body: (UnsafeRawBufferPointer) -> Int) {
    guard outputCount > 0, let output else { return }
    let taken = body(UnsafeRawBufferPointer(start: output + takenCount, count: outputCount))
    takenCount += taken
    outputCount -= taken
    if outputCount == 0 { letGo() }
  }

  private mutating func letGo() {
    guard let lender, let output, outputCapacity <= WireBuffers.keptCapacity else { return free() }
    lender._withUnsafeGuaranteedRef { $0.giveBack(output, outputCapacity) }
    self.output = nil
    free()
  }

  mutating func free() {
    VoleryPlatform.free(output)
    output = nil
    outputCapacity = 0
    outputCount = 0
    takenCount = 0
    volunteeredCount = 0
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
