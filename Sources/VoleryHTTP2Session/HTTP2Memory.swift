import CNGHTTP2
import VoleryPlatform

/// The memory in which nghttp2's sessions of one loop work. A call takes about eight small blocks and gives them back:
/// those are kept in lists by size and handed out again, which costs a tenth of what malloc costs.
///
/// What a session has in case, and needs only while it works, takes no memory of its own: its 16 KiB for a frame are the same for
/// all of them, and its table of streams is in pages that are untouched before the first stream; so is what waits to be written.
///
/// Not thread-safe: the sessions that share one belong to one loop, and end there too.
package final class HTTP2Memory {
  /// Blocks are multiples of this.
  private static let granule = 32
  /// Larger blocks are not kept.
  private static let classCount = 32
  /// In front of each block: its class, 0 for one that is not kept. 16 bytes, so that what follows is aligned.
  private static let headerByteCount = 16
  /// All that is kept together has at most so many bytes.
  private static let maxKeptByteCount = 1 << 20
  /// In the place of a class: the frame that all sessions share.
  private static let sharedFrameMark = -1
  /// nghttp2's buffer for a frame has this and a few bytes more.
  private static let leastFrameByteCount = 16 << 10
  /// Tables that are zeroed have a page of their own from here on.
  private static let leastTableByteCount = 4 << 10

  /// Plain memory, so that the C functions count no references.
  private struct Lists {
    var keptByteCount = 0
    /// The first block of each class; a kept block holds the address of the next one.
    let heads: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    let pages: Unmanaged<UntouchedPages>
    /// While a session is being made: its buffer for a frame is the shared one.
    var sharesFrame = false
    var sharedFrame: UnsafeMutableRawPointer?
    var sharedFrameByteCount = 0
    /// The table of the session that was made last; nil: it is in no page of its own.
    var lastTable: UnsafeMutableRawPointer?
    /// For who has something to write next.
    var output: UnsafeMutableRawPointer?
    var outputCapacity = 0
  }

  private let pages = UntouchedPages()

  private let lists = UnsafeMutablePointer<Lists>.allocate(capacity: 1)

  package init() {
    let heads = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: HTTP2Memory.classCount + 1)
    heads.initialize(repeating: nil, count: HTTP2Memory.classCount + 1)
    lists.initialize(to: Lists(heads: heads, pages: Unmanaged.passUnretained(pages)))
  }

  deinit {
    for index in 0...HTTP2Memory.classCount {
      var next = lists.pointee.heads[index]
      while let block = next {
        next = block.load(as: UnsafeMutableRawPointer?.self)
        free(block)
      }
    }
    free(lists.pointee.sharedFrame)
    free(lists.pointee.output)
    lists.pointee.heads.deallocate()
    lists.deallocate()
  }

  /// Bytes that nobody uses now.
  package var keptByteCount: Int { lists.pointee.keptByteCount }

  /// What `make` asks for in the course of making a session has one buffer for a frame with all others. That is safe because a
  /// session fills it, and what is in it is copied, within one `HTTP2Session.pull`; a frame's header that has to wait for the next
  /// one is kept apart (`WithheldHeader`).
  ///
  /// Returns the page in which its table of streams is; nil: it is elsewhere.
  func sharingFrame(_ make: () -> Void) -> UnsafeMutableRawPointer? {
    lists.pointee.sharesFrame = true
    lists.pointee.lastTable = nil
    defer { lists.pointee.sharesFrame = false }
    make()
    return lists.pointee.lastTable
  }

  /// A page that may be a table's, or may be one no more: where it has nothing in it, it takes no memory from here on.
  func release(table page: UnsafeMutableRawPointer) {
    let words = page.assumingMemoryBound(to: UInt64.self)
    for index in 0..<(UntouchedPages.pageByteCount / MemoryLayout<UInt64>.size) where words[index] != 0 { return }
    pages.clear(page)
  }

  // MARK: Output

  /// A buffer for what has to be written, and its capacity; nil: there is none at hand.
  func takeOutput(_ capacity: inout Int) -> UnsafeMutableRawPointer? {
    guard let output = lists.pointee.output else { return nil }
    capacity = lists.pointee.outputCapacity
    lists.pointee.output = nil
    return output
  }

  /// It is empty, and somebody else's from now on.
  func giveBack(output: UnsafeMutableRawPointer, _ capacity: Int) {
    if let other = lists.pointee.output {
      guard capacity > lists.pointee.outputCapacity else { return free(output) }
      free(other)
    }
    lists.pointee.output = output
    lists.pointee.outputCapacity = capacity
  }

  // MARK: What nghttp2 calls

  /// nghttp2's hooks. Valid as long as this object.
  var hooks: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: lists,
      malloc: { size, context in HTTP2Memory.take(size, context) },
      free: { block, context in HTTP2Memory.giveBack(block, context) },
      calloc: { count, size, context in
        let (total, isOverflow) = count.multipliedReportingOverflow(by: size)
        if !isOverflow, let page = HTTP2Memory.untouchedPage(total, context) { return page }
        guard !isOverflow, let block = HTTP2Memory.take(total, context) else { return nil }
        return memset(block, 0, total)
      },
      realloc: { block, size, context in HTTP2Memory.resize(block, size, context) })
  }

  @inline(__always)
  private static func lists(_ context: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<Lists> {
    context.unsafelyUnwrapped.assumingMemoryBound(to: Lists.self)
  }

  @inline(__always)
  private static func take(_ size: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // nghttp2 asks for sizes, never for less than nothing.
    let total = size &+ headerByteCount
    let index = (total &+ (granule - 1)) / granule
    guard index <= classCount else { return stamp(malloc(total), 0) }
    let lists = lists(context)
    guard let block = lists.pointee.heads[index] else { return stamp(malloc(index * granule), index) }
    lists.pointee.heads[index] = block.load(as: UnsafeMutableRawPointer?.self)
    lists.pointee.keptByteCount &-= index * granule
    return stamp(block, index)
  }

  @inline(__always)
  private static func stamp(_ block: UnsafeMutableRawPointer?, _ index: Int) -> UnsafeMutableRawPointer? {
    guard let block else { return nil }
    block.storeBytes(of: index, as: Int.self)
    return block + headerByteCount
  }

  @inline(__always)
  private static func giveBack(_ memory: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?) {
    guard let memory else { return }
    let block = memory - headerByteCount
    let index = block.load(as: Int.self)
    let lists = lists(context)
    guard index > 0 else { return giveBackLarge(block, index, lists) }
    guard lists.pointee.keptByteCount < maxKeptByteCount else { return free(block) }
    block.storeBytes(of: lists.pointee.heads[index], as: UnsafeMutableRawPointer?.self)
    lists.pointee.heads[index] = block
    lists.pointee.keptByteCount &+= index * granule
  }

  /// A call of its own, so that the small ones need no registers for it.
  @inline(never)
  private static func giveBackLarge(
    _ block: UnsafeMutableRawPointer, _ index: Int, _ lists: UnsafeMutablePointer<Lists>
  ) {
    if index == sharedFrameMark { return }
    let pages = lists.pointee.pages.takeUnretainedValue()
    let memory = block + headerByteCount
    if pages.contains(memory) { pages.giveBack(memory) } else { free(block) }
  }

  /// For a table that is zeroed and has about the size of a page.
  private static func untouchedPage(_ size: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard size >= leastTableByteCount, size <= UntouchedPages.pageByteCount else { return nil }
    let lists = lists(context)
    let page = lists.pointee.pages.takeUnretainedValue().take()
    lists.pointee.lastTable = page
    return page
  }

  private static func sharedFrame(_ size: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let lists = lists(context)
    if lists.pointee.sharedFrame == nil {
      lists.pointee.sharedFrame = malloc(size &+ headerByteCount)
      lists.pointee.sharedFrameByteCount = size
    }
    guard lists.pointee.sharedFrameByteCount >= size else { return take(size, context) }
    return stamp(lists.pointee.sharedFrame, sharedFrameMark)
  }

  private static func resize(
    _ memory: UnsafeMutableRawPointer?, _ size: Int, _ context: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    let lists = lists(context)
    guard let memory else {
      return lists.pointee.sharesFrame && size >= leastFrameByteCount ? sharedFrame(size, context) : take(size, context)
    }
    let block = memory - headerByteCount
    let index = block.load(as: Int.self)
    let capacity: Int
    if index > 0 {
      capacity = index * granule - headerByteCount
    } else if index == sharedFrameMark {
      capacity = lists.pointee.sharedFrameByteCount
    } else if lists.pointee.pages.takeUnretainedValue().contains(memory) {
      capacity = UntouchedPages.pageByteCount
    } else {
      return stamp(realloc(block, size &+ headerByteCount), 0)
    }
    guard size > capacity else { return memory }
    guard let larger = take(size, context) else { return nil }
    memcpy(larger, memory, capacity)
    giveBack(memory, context)
    return larger
  }
}
