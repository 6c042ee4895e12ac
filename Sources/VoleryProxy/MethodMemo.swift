import VoleryTypes

/// The methods that were called last, by the bytes of their paths: as a rule a call's is among them. What others have sent can
/// make it forget, and no more.
struct MethodMemo {
  private struct Entry {
    let path: [UInt8]
    let method: MethodDescriptor
  }

  private var entries = [Entry?](repeating: nil, count: 256)
  /// A path that is longer is none of a method.
  private static let longestPath = 1024

  /// Nil: the path is none of a method, `/service/method`.
  mutating func method(of path: UnsafeRawBufferPointer) -> MethodDescriptor? {
    var hash = 0xcbf2_9ce4_8422_2325 as UInt64
    for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let index = Int((hash ^ hash >> 32) & 255)
    if let entry = entries[index], entry.path.count == path.count, entry.path.elementsEqual(path) {
      return entry.method
    }
    guard path.count <= MethodMemo.longestPath, let method = MethodMemo.read(path) else { return nil }
    entries[index] = Entry(path: Array(path), method: method)
    return method
  }

  private static func read(_ path: UnsafeRawBufferPointer) -> MethodDescriptor? {
    let parts = path.split(separator: UInt8(ascii: "/"), maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
    return MethodDescriptor(
      service: String(decoding: parts[1], as: UTF8.self), name: String(decoding: parts[2], as: UTF8.self),
      kind: .bidirectional)
  }
}
