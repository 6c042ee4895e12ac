import VoleryTypes

/// Where the elements of an array, or the bytes of a string, lie: what C reads while a message is written, without a copy.
///
/// The address is good as long as the array, or a copy of it, is held and nobody changes it: its elements are the tail of one
/// object of the heap, which does not move. That is how the standard library has made them since Swift has been stable, and
/// more than it promises of `withUnsafeBufferPointer`, whose pointer is not to leave its closure; so this is the one place that
/// lets it leave. (BorrowedStorageTests; Docs/Concurrency.md)
@usableFromInline package enum BorrowedStorage {
  /// Nil for an empty array.
  @inlinable @inline(__always)
  package static func start<Element: BitwiseCopyable>(of array: [Element]) -> UnsafeMutablePointer<Element>? {
    array.withUnsafeBufferPointer { UnsafeMutablePointer(mutating: $0.baseAddress) }
  }

  /// Nil where the bytes are elsewhere: bridged strings of Apple's systems.
  ///
  /// - Precondition: over 15 bytes; shorter strings may have them in the value itself, which moves.
  @inlinable @inline(__always)
  package static func bytes(of string: String) -> UnsafeBufferPointer<UInt8>? {
    string.utf8.withContiguousStorageIfAvailable { $0 }
  }
}
