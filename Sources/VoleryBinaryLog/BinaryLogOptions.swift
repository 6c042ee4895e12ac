/// What a binary log takes of the process and of its disk, and what it leaves out.
public struct BinaryLogOptions: Hashable, Sendable {
  /// Bytes of the file. When the next entry would not fit, the file is renamed to its name with `.1` behind it, in the place of an
  /// older one, and begun anew: on the disk there is twice this at most. 64 MiB.
  public var maxFileBytes = 64 << 20
  /// Bytes of entries that may wait to be written, roughly; what comes beyond is dropped and counted. 8 MiB.
  public var maxQueuedBytes = 8 << 20
  /// Metadata whose values are not written, whoever sends it: the key stays, and the entry counts as truncated. Lower case.
  public var secretKeys: Set<String> = [
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-goog-api-key", "x-auth-token",
    "x-amz-security-token",
  ]

  /// The defaults.
  public init() {}
}

/// What has become of a binary log's entries.
public struct BinaryLogCounts: Hashable, Sendable {
  /// They are in the file, or have been.
  public internal(set) var written = 0
  /// They are not: too many waited, or the file could not be written.
  public internal(set) var dropped = 0
  /// Bytes that were written.
  public internal(set) var bytes = 0
  /// Why the file could not be written the last time; nil: it could.
  public internal(set) var failure: String?

  init() {}
}
