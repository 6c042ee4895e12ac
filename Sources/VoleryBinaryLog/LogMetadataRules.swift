import VoleryTypes

/// What of metadata is logged (gRFC A16): what the application has sent, up to a limit, and no secret.
struct LogMetadataRules {
  let secretKeys: Set<String>
  /// Bytes of keys and values.
  let limit: Int

  /// The entries, and whether they are all that the application has sent.
  func entries(of metadata: Metadata) -> (metadata: LogMetadata, isTruncated: Bool) {
    var found = LogMetadata()
    var isTruncated = false
    var left = limit
    var isFull = false
    metadata.forEachEntry { keyBytes, valueBytes in
      let key = String(decoding: keyBytes, as: UTF8.self)
      guard !LogMetadataRules.isTransports(key) else { return }
      let isTrace = key == LogMetadataRules.traceKey
      let count = key.utf8.count + valueBytes.count
      // It is always there, and counts for nothing.
      if !isTrace {
        // What comes behind the first that does not fit is left out, too: a reader sees a beginning.
        guard !isFull, count <= left else {
          (isFull, isTruncated) = (true, true)
          return
        }
        left -= count
      }
      let isSecret = secretKeys.contains(key)
      if isSecret { isTruncated = true }
      found.entry.append(LogMetadataEntry(key: key, value: isSecret ? [] : Array(valueBytes)))
    }
    return (found, isTruncated)
  }

  private static let traceKey = "grpc-trace-bin"
  private static let transportKeys: Set<String> = [
    "lb-token", "lb-cost-bin", "content-type", "content-encoding", "accept-encoding", "user-agent", "te", "host",
  ]

  /// Not the application's: a transport's, or gRPC's own.
  private static func isTransports(_ key: String) -> Bool {
    key != traceKey && (key.hasPrefix(":") || key.hasPrefix("grpc-") || transportKeys.contains(key))
  }
}
