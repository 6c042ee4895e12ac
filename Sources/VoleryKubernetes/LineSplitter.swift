/// Cuts what comes into lines, each of which may be so long and no longer.
package struct LineSplitter {
  private var rest: [UInt8] = []
  private let limit: Int

  /// - Parameter limit: Bytes of a line without its end.
  package init(limit: Int) { self.limit = limit }

  /// The lines that are whole now, without the empty ones.
  package mutating func feed(_ bytes: [UInt8]) throws(KubernetesFailure) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    var start = 0
    while let end = bytes[start...].firstIndex(of: 0x0a) {
      try append(bytes[start..<end])
      if rest.contains(where: { $0 != 0x0d && $0 != 0x20 }) { lines.append(rest) }
      rest = []
      start = end + 1
    }
    try append(bytes[start...])
    return lines
  }

  private mutating func append(_ bytes: ArraySlice<UInt8>) throws(KubernetesFailure) {
    guard rest.count + bytes.count <= limit else { throw .malformed("an event of more than \(limit) bytes") }
    rest += bytes
  }

  /// Whether a line has begun and not ended.
  package var isInLine: Bool { !rest.isEmpty }
}
