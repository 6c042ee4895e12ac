import Synchronization
import VoleryPlatform
import VoleryTypes

/// Finds a method's handler by the bytes of its path, without making a string of them.
struct ServiceTable: Sendable {
  /// A method that the server knows. An object, because calls refer to it.
  final class Entry: Sendable {
    let handler: MethodHandler
    let hasOneRequest: Bool
    /// Those that stand around this method.
    let interceptors: [any ServerInterceptor]
    let executor: MethodHandler.Executor
    /// The executor is the connection's loop.
    let runsOnLoop: Bool
    fileprivate let hash: UInt64
    fileprivate let path: [UInt8]
    /// As `LoopActivity` has it; that of all copies.
    let tag: UInt
    /// No service has it.
    let isFallback: Bool

    @inline(__always)
    fileprivate func hasPath(_ other: UnsafeRawBufferPointer) -> Bool {
      path.withUnsafeBytes { $0.count == other.count && memcmp($0.baseAddress!, other.baseAddress!, other.count) == 0 }
    }

    convenience init(fallback handler: MethodHandler, _ interceptors: [any ServerInterceptor]) {
      self.init(handler, interceptors, isFallback: true)
    }

    init(_ handler: MethodHandler, _ interceptors: [any ServerInterceptor] = [], isFallback: Bool = false) {
      self.interceptors = interceptors.filter { $0.isFor(handler.descriptor) }
      self.isFallback = isFallback
      self.handler = handler
      hasOneRequest = handler.hasOneRequest
      executor = handler.executor
      if case .eventLoop = handler.executor { runsOnLoop = true } else { runsOnLoop = false }
      path = Array(handler.descriptor.path.utf8)
      hash = path.withUnsafeBytes(ServiceTable.hash)
      tag = isFallback ? ServiceTable.fallbackTag : ServiceTable.nextTag.add(1, ordering: .relaxed).newValue
    }

    init(copying other: Entry) {
      // An array that is copied alone would still be counted with the other's.
      interceptors = other.interceptors.map { $0 }
      isFallback = other.isFallback
      handler = other.handler
      hasOneRequest = other.hasOneRequest
      executor = other.executor
      runsOnLoop = other.runsOnLoop
      path = other.path
      hash = other.hash
      tag = other.tag
    }
  }

  /// Of the methods that only a fallback knows.
  static let fallbackTag: UInt = 2
  /// Behind those that `LoopActivity` has a meaning for; counted through the process, so that no two servers' are alike.
  private static let nextTag = Atomic<UInt>(15)

  /// Twice as many places as methods, or more: an entry stands at its hash's, or behind those that stand there.
  private var slots: [Entry?]
  /// Full names of the services, sorted.
  let serviceNames: [String]

  /// - Precondition: no two handlers have the same path.
  init(_ handlers: [MethodHandler], interceptors: [any ServerInterceptor] = []) {
    var count = 16
    while count < handlers.count * 2 { count *= 2 }
    slots = Array(repeating: nil, count: count)
    serviceNames = Set(handlers.map(\.descriptor.service)).sorted()
    for handler in handlers {
      let entry = Entry(handler, interceptors)
      var index = Int(truncatingIfNeeded: entry.hash) & (count - 1)
      while let other = slots[index] {
        precondition(
          other.path != entry.path, "\(handler.descriptor.path) has two handlers: a server takes each service once")
        index = (index + 1) & (count - 1)
      }
      slots[index] = entry
    }
  }

  /// The same with entries of its own: who finds methods by one counts no references to what the other finds.
  func copy() -> ServiceTable {
    var table = self
    table.slots = slots.map { $0.map(Entry.init(copying:)) }
    return table
  }

  /// The method with this tag; nil for one of another table's, or a fallback's.
  func path(ofTag tag: UInt) -> String? {
    slots.lazy.compactMap(\.self).first { $0.tag == tag }?.handler.descriptor.path
  }

  subscript(path: UnsafeRawBufferPointer) -> Entry? {
    let hash = ServiceTable.hash(path)
    var index = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while let entry = slots[index] {
      if entry.hash == hash, entry.hasPath(path) { return entry }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  /// After FNV-1a, eight bytes at a time; the paths are the server's own, so nobody can choose colliding ones.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count)
    var offset = 0
    while offset + 8 <= bytes.count {
      hash = mix(hash, bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    for byte in bytes[offset...] { hash = mix(hash, UInt64(byte)) }
    return hash
  }

  private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let product = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
    return product ^ product >> 32
  }
}
