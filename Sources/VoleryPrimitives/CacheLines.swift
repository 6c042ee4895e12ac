/// Memory that threads on different cores do not share by chance: a store takes the whole cache line from the other cores, and whatever
/// else lies on it with it. `Tests/Benchmark/shared_lines.py` shows what is shared.
package enum CacheLines {
  /// Two lines, as processors fetch them in pairs.
  package static let byteCount = 128

  /// Bytes that nobody uses: what lies behind them is on other lines than what lies before.
  package struct Padding {
    private let bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    private let more: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)

    package init() {}
  }

  /// Memory on lines of its own, for what all threads read as long as the process lives: it is not freed.
  package static func allocate<Element>(_ type: Element.Type, count: Int) -> UnsafeMutablePointer<Element> {
    let needed = MemoryLayout<Element>.stride * max(1, count)
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: (needed + byteCount - 1) / byteCount * byteCount, alignment: byteCount)
    return memory.bindMemory(to: type, capacity: count)
  }
}
