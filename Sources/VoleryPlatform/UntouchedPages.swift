/// Zeroed pages that take no memory before something is written to them: for tables that are there in case, and that most of
/// their owners never fill. Not thread-safe.
///
/// In front of each page lies one that nobody writes to: what is read there is zero.
package final class UntouchedPages {
  package static let pageByteCount = Int(getpagesize())
  private static let pagesPerChunk = 256
  private static var stride: Int { 2 * pageByteCount }
  private static var chunkByteCount: Int { pagesPerChunk * stride }

  private var chunks: [UnsafeMutableRawPointer] = []
  /// Of the last chunk, how many have been handed out once.
  private var usedOfLast = UntouchedPages.pagesPerChunk
  private var returned: [UnsafeMutableRawPointer] = []

  package init() {}

  deinit { for chunk in chunks { munmap(chunk, UntouchedPages.chunkByteCount) } }

  /// One page, all zero; nil where the system gives no more.
  package func take() -> UnsafeMutableRawPointer? {
    if let page = returned.popLast() { return page }
    if usedOfLast == UntouchedPages.pagesPerChunk {
      guard let chunk = UntouchedPages.makeChunk() else { return nil }
      chunks.append(chunk)
      usedOfLast = 0
    }
    defer { usedOfLast += 1 }
    return chunks[chunks.count - 1] + (usedOfLast * UntouchedPages.stride + UntouchedPages.pageByteCount)
  }

  /// Whether `address` lies in a page that `take` has given.
  package func contains(_ address: UnsafeMutableRawPointer) -> Bool {
    chunks.contains { address >= $0 && address < $0 + UntouchedPages.chunkByteCount }
  }

  /// The page takes no memory any more, and may be handed out again.
  package func giveBack(_ page: UnsafeMutableRawPointer) {
    clear(page)
    returned.append(page)
  }

  /// All of it is zero again and, where the system can do that, takes no memory.
  package func clear(_ page: UnsafeMutableRawPointer) {
    #if os(Linux)
      madvise(page, UntouchedPages.pageByteCount, MADV_DONTNEED)
    #else
      memset(page, 0, UntouchedPages.pageByteCount)
    #endif
  }

  private static func makeChunk() -> UnsafeMutableRawPointer? {
    let flags = MAP_PRIVATE | MAP_ANON | MAP_NORESERVE
    guard let chunk = mmap(nil, chunkByteCount, PROT_READ | PROT_WRITE, flags, -1, 0), chunk != MAP_FAILED else {
      return nil
    }
    #if os(Linux)
      // One page that is written to would bring 511 others.
      madvise(chunk, chunkByteCount, MADV_NOHUGEPAGE)
    #endif
    return chunk
  }
}
