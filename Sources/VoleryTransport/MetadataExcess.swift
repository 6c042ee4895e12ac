package import VoleryTypes

/// Metadata that is larger than its receiver takes, in words: which side's limit, how much, and which key is most of it.
package struct MetadataExcess: CustomStringConvertible {
  package let description: String

  /// - Parameters:
  ///   - what: "the request's metadata".
  ///   - owner: Whose limit it is: "the server".
  package init(
    _ what: String, byteCount: Int, limit: Int, of owner: String, largestKey: String, largestByteCount: Int
  ) {
    description = """
      \(what) has \(byteCount) bytes, over \(owner)'s limit of \(limit); most of it is '\(largestKey)' with \
      \(largestByteCount)
      """
  }

  /// Nil for metadata that is within the limit.
  package init?(_ what: String, _ metadata: Metadata, limit: Int, of owner: String) {
    guard !metadata.isEmpty else { return nil }
    var largest = (key: "", byteCount: 0)
    let byteCount = metadata.fieldByteCount { key, size in
      if size > largest.byteCount { largest = (String(decoding: key, as: UTF8.self), size) }
    }
    guard byteCount > limit else { return nil }
    self.init(
      what, byteCount: byteCount, limit: limit, of: owner, largestKey: largest.key, largestByteCount: largest.byteCount)
  }
}

extension Metadata {
  /// By RFC 9113's count (6.5.2): names, values as they are sent, and 32 for each field. `body` hears of each field's.
  func fieldByteCount(_ body: (_ key: UnsafeRawBufferPointer, _ byteCount: Int) -> Void = { _, _ in }) -> Int {
    var total = 0
    forEachEntry { key, value in
      let size = key.count + (key.ends(with: "-bin") ? (value.count * 4 + 2) / 3 : value.count) + 32
      total += size
      body(key, size)
    }
    return total
  }
}
