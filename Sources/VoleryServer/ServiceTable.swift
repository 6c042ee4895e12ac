import VoleryTypes

/// Finds a method's handler by the bytes of its path, without making a string of them.
struct ServiceTable: Sendable {
  private struct Entry: Sendable {
    let hash: UInt64
    let path: [UInt8]
    let handler: MethodHandler
  }

  private var buckets: [[Entry]]
  /// Full names of the services, sorted.
  let serviceNames: [String]

  /// - Precondition: no two handlers have the same path.
  init(_ handlers: [MethodHandler]) {
    var count = 16
    while count < handlers.count * 2 { count *= 2 }
    buckets = Array(repeating: [], count: count)
    serviceNames = Set(handlers.map(\.descriptor.service)).sorted()
    for handler in handlers {
      let path = Array(handler.descriptor.path.utf8)
      let hash = path.withUnsafeBytes(ServiceTable.hash)
      let index = Int(hash & UInt64(count - 1))
      precondition(!buckets[index].contains { $0.path == path }, "\(handler.descriptor.path) has two handlers")
      buckets[index].append(Entry(hash: hash, path: path, handler: handler))
    }
  }

  subscript(path: UnsafeRawBufferPointer) -> MethodHandler? {
    let hash = ServiceTable.hash(path)
    for entry in buckets[Int(hash & UInt64(buckets.count - 1))] where entry.hash == hash {
      if entry.path.elementsEqual(path) { return entry.handler }
    }
    return nil
  }

  /// FNV-1a, 64 bits: the paths are the server's own, so nobody can choose colliding ones.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return hash
  }
}
