import CNGHTTP2
import VoleryPlatform

/// The memory in which nghttp2's sessions of one loop work. A call takes about eight small blocks and gives them back:
/// `BlockLists` keeps those.
///
/// What a session has in case, and needs only while it works, takes no memory of its own: its 16 KiB for a frame are the same for
/// all of them (`SharedFrame`), and its table of streams is in pages that are untouched before the first stream
/// (`UntouchedPages`); what waits to be written goes round among them (`LentBuffer`).
///
/// Not thread-safe: the sessions that share one belong to one loop, and end there too.
package final class HTTP2Memory {
  /// Tables that are zeroed have a page of their own from here on.
  private static let leastTableByteCount = 4 << 10

  /// Plain memory, so that the C functions count no references.
  private struct Parts {
    var lists = BlockLists()
    var frame = SharedFrame()
    let pages: Unmanaged<UntouchedPages>
    /// While a session is being made: its buffer for a frame is the shared one, and its table has a page.
    var isMakingSession = false
    /// The table of the session that was made last; nil: it is in no page of its own.
    var lastTable: UnsafeMutableRawPointer?
  }

  private let pages = UntouchedPages()
  private let parts = UnsafeMutablePointer<Parts>.allocate(capacity: 1)
  /// For who has something to write next.
  let output = LentBuffer()

  package init() { parts.initialize(to: Parts(pages: Unmanaged.passUnretained(pages))) }

  deinit {
    parts.pointee.lists.letGo()
    parts.pointee.frame.letGo()
    parts.deallocate()
  }

  /// Bytes that nobody uses now.
  package var keptByteCount: Int { parts.pointee.lists.keptByteCount }

  /// What `make` asks for in the course of making a session has one buffer for a frame with all others, and a page for its table
  /// of streams.
  ///
  /// Returns the page in which its table of streams is; nil: it is elsewhere.
  func makingSession(_ make: () -> Void) -> UnsafeMutableRawPointer? {
    parts.pointee.isMakingSession = true
    parts.pointee.lastTable = nil
    defer { parts.pointee.isMakingSession = false }
    make()
    return parts.pointee.lastTable
  }

  /// A page that may be a table's, or may be one no more: where it has nothing in it, it takes no memory from here on.
  func release(table page: UnsafeMutableRawPointer) {
    let words = page.assumingMemoryBound(to: UInt64.self)
    for index in 0..<(UntouchedPages.pageByteCount / MemoryLayout<UInt64>.size) where words[index] != 0 { return }
    pages.clear(page)
  }

  // MARK: What nghttp2 calls

  /// nghttp2's hooks. Valid as long as this object.
  var hooks: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: parts,
      malloc: { size, context in HTTP2Memory.parts(context).pointee.lists.take(size) },
      free: { memory, context in HTTP2Memory.giveBack(memory, context) },
      calloc: { count, size, context in
        let (total, isOverflow) = count.multipliedReportingOverflow(by: size)
        guard !isOverflow else { return nil }
        if let page = HTTP2Memory.table(total, context) { return page }
        guard let memory = HTTP2Memory.parts(context).pointee.lists.take(total) else { return nil }
        return memset(memory, 0, total)
      },
      realloc: { memory, size, context in HTTP2Memory.resize(memory, size, context) })
  }

  @inline(__always)
  private static func parts(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Parts> {
    context.unsafelyUnwrapped.assumingMemoryBound(to: Parts.self)
  }

  @inline(__always)
  private static func giveBack(_ memory: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?) {
    guard let memory else { return }
    let index = BlockLists.sizeClass(of: memory)
    let parts = parts(context)
    if index > 0 { parts.pointee.lists.giveBack(memory, ofClass: index) } else { giveBackLarge(memory, index, parts) }
  }

  /// A call of its own, so that the small ones need no registers for it.
  @inline(never)
  private static func giveBackLarge(
    _ memory: UnsafeMutableRawPointer, _ index: Int, _ parts: UnsafeMutablePointer<Parts>
  ) {
    if index == SharedFrame.mark { return }
    let pages = parts.pointee.pages.takeUnretainedValue()
    if pages.contains(memory) { pages.giveBack(memory) } else { free(memory - BlockLists.headerByteCount) }
  }

  /// For the table of streams of a session that is being made, which has about the size of a page; nil for all else.
  private static func table(_ size: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let parts = parts(context)
    guard parts.pointee.isMakingSession, parts.pointee.lastTable == nil, size >= leastTableByteCount,
      size <= UntouchedPages.pageByteCount
    else { return nil }
    parts.pointee.lastTable = parts.pointee.pages.takeUnretainedValue().take()
    return parts.pointee.lastTable
  }

  private static func resize(
    _ memory: UnsafeMutableRawPointer?, _ size: Int, _ context: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    let parts = parts(context)
    guard let memory else {
      if parts.pointee.isMakingSession, SharedFrame.isFrame(size), let frame = parts.pointee.frame.take(size) {
        return frame
      }
      return parts.pointee.lists.take(size)
    }
    let index = BlockLists.sizeClass(of: memory)
    let capacity: Int
    if index > 0 {
      capacity = BlockLists.capacity(ofClass: index)
    } else if index == SharedFrame.mark {
      capacity = parts.pointee.frame.byteCount
    } else if parts.pointee.pages.takeUnretainedValue().contains(memory) {
      capacity = UntouchedPages.pageByteCount
    } else {
      return BlockLists.stamp(realloc(memory - BlockLists.headerByteCount, size &+ BlockLists.headerByteCount), 0)
    }
    guard size > capacity else { return memory }
    guard let larger = parts.pointee.lists.take(size) else { return nil }
    memcpy(larger, memory, capacity)
    giveBack(memory, context)
    return larger
  }
}
