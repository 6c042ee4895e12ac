import VoleryPlatform
package import VoleryPrimitives

/// What event loops ask of the process's heap.
package struct HeapUse: Sendable {
  /// `HeapThreshold`.
  package var keepsLargeBlocks = true
  /// `FreedMemory`.
  package var givesBackAfterBursts = true

  package init() {}

  /// In use from the first event loop on.
  package static let setting = ProcessSetting(HeapUse())
}

/// From which size on glibc's malloc maps fresh pages for a block, and unmaps them when it is freed.
///
/// glibc begins with 128 KiB, and learns: whoever frees a larger block has it keep such blocks from then on, and twice as
/// much at the end of each heap. Messages between 128 KiB and the 4 MiB that a message may have by default come and go with
/// every call, and every page of theirs that is mapped anew costs more than to copy it: echoing 1 MiB takes twice the CPU.
/// So a process with event loops starts with what glibc would have learnt from the largest of these messages; `FreedMemory`
/// gives back what is kept after they have gone. Whoever sets M_MMAP_THRESHOLD or M_TRIM_THRESHOLD (mallopt(3), or
/// glibc.malloc.* of GLIBC_TUNABLES) has turned the learning off, and this with it.
enum HeapThreshold {
  static let byteCount = 8 << 20

  /// Once for the process.
  static let isRaised: Bool = {
    guard HeapUse.setting.use().keepsLargeBlocks else { return false }
    #if canImport(Glibc)
      // Nothing is written to it, so that it costs no memory.
      guard let block = malloc(byteCount) else { return false }
      keep(block)
      free(block)
      return true
    #else
      return false
    #endif
  }()

  /// An optimiser knows malloc and free, and would leave out both.
  @inline(never) @_optimize(none) private static func keep(_ block: UnsafeMutableRawPointer) {}
}
