import VoleryPlatform
import VoleryTypes

/// The methods that were called last, by the bytes of their paths, and the routes that they can meet: as a rule a call's is among
/// them. What others have sent can make it forget, and no more.
struct MethodMemo: Sendable {
  struct Entry: Sendable {
    fileprivate let path: [UInt8]
    let method: MethodDescriptor
    let candidates: [Int]
  }

  private var entries = [Entry?](repeating: nil, count: 256)
  /// A path that is longer is none of a method.
  private static let longestPath = 1024

  /// Nil: the path is none of a method, `/service/method`.
  ///
  /// - Parameter candidates: Asked for a method that is not remembered.
  mutating func entry(of path: UnsafeRawBufferPointer, _ candidates: (MethodDescriptor) -> [Int]) -> Entry? {
    var hash = 0xcbf2_9ce4_8422_2325 as UInt64
    for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let index = Int((hash ^ hash >> 32) & 255)
    if let entry = entries[index], entry.path.count == path.count, MethodMemo.equals(entry.path, path) {
      return entry
    }
    guard path.count <= MethodMemo.longestPath, let method = MethodMemo.read(path) else { return nil }
    let entry = Entry(path: Array(path), method: method, candidates: candidates(method))
    entries[index] = entry
    return entry
  }

  private static func read(_ path: UnsafeRawBufferPointer) -> MethodDescriptor? {
    let parts = path.split(separator: UInt8(ascii: "/"), maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
    return MethodDescriptor(
      service: String(decoding: parts[1], as: UTF8.self), name: String(decoding: parts[2], as: UTF8.self),
      kind: .bidirectional)
  }

  /// Both have as many bytes.
  private static func equals(_ known: [UInt8], _ path: UnsafeRawBufferPointer) -> Bool {
    guard let start = path.baseAddress else { return true }
    return known.withUnsafeBytes { $0.baseAddress.map { memcmp($0, start, path.count) == 0 } ?? true }
  }
}
