/// The frame that zlib puts around deflated bytes.
package enum CompressionFormat: Hashable, Sendable, CaseIterable {
  /// RFC 1952.
  case gzip
  /// RFC 1950.
  case zlib

  /// zlib's `windowBits`: the largest window, and 16 more for gzip.
  var windowBits: Int32 { self == .gzip ? 15 + 16 : 15 }
}

/// Compressed bytes that can't be taken.
package enum InflateFailure: Error, Equatable {
  /// They are not of the format, damaged, or end too early.
  case corrupt
  /// They would be longer than the limit.
  case tooLarge
  /// zlib got no memory.
  case outOfMemory
}
