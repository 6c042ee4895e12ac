/// Limits and leniency of decoding. The defaults are protobuf's own: they suit input that nobody vouches for.
@frozen public struct DecodeOptions: Hashable, Sendable {
  package static let defaultMaximumDepth = 100

  /// How many messages (and groups) may lie within the outermost one, one in the other; deeper input is an error. 100 by
  /// default, as in all of protobuf. Whatever it says, input that would overflow the thread's stack is an error.
  public var maximumDepth: Int

  /// How many bytes of memory decoding one message may take beside the message itself; nil stands for 4 MiB and 64 times
  /// the size of the input. More is an error.
  public var maximumMemory: Int?

  /// Whether `required` fields (proto2) may be missing.
  public var allowsPartial: Bool

  /// Protobuf's own limits; give those that should be others.
  ///
  /// - Parameters:
  ///   - maximumDepth: Messages within one another, 100 by default.
  ///   - maximumMemory: In bytes; nil by default: 4 MiB and 64 times the size of the input.
  ///   - allowsPartial: Whether `required` fields may be missing; false by default.
  @inlinable public init(maximumDepth: Int = 100, maximumMemory: Int? = nil, allowsPartial: Bool = false) {
    self.maximumDepth = maximumDepth
    self.maximumMemory = maximumMemory
    self.allowsPartial = allowsPartial
  }
}

/// Leniency of encoding.
@frozen public struct EncodeOptions: Hashable, Sendable {
  /// Whether `required` fields (proto2) may be unset.
  public var allowsPartial: Bool

  /// Unset `required` fields are an error, unless `allowsPartial` is true.
  @inlinable public init(allowsPartial: Bool = false) { self.allowsPartial = allowsPartial }
}
