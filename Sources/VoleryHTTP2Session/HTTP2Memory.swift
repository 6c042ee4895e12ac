import CNGHTTP2
import VoleryPlatform

/// The memory in which nghttp2's sessions of one loop work. A call takes about eight small blocks and gives them back:
/// those are kept in lists by size and handed out again, which costs a tenth of what malloc costs.
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

  /// Plain memory, so that the C functions count no references.
  private struct Lists {
    var keptByteCount = 0
    /// The first block of each class; a kept block holds the address of the next one.
    let heads: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  }

  private let lists = UnsafeMutablePointer<Lists>.allocate(capacity: 1)

  package init() {
    let heads = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: HTTP2Memory.classCount + 1)
    heads.initialize(repeating: nil, count: HTTP2Memory.classCount + 1)
    lists.initialize(to: Lists(heads: heads))
  }

  deinit {
    for index in 0...HTTP2Memory.classCount {
      var next = lists.pointee.heads[index]
      while let block = next {
        next = block.load(as: UnsafeMutableRawPointer?.self)
        free(block)
      }
    }
    lists.pointee.heads.deallocate()
    lists.deallocate()
  }

  /// Bytes that nobody uses now.
  package var keptByteCount: Int { lists.pointee.keptByteCount }

  // MARK: What nghttp2 calls

  /// nghttp2's hooks. Valid as long as this object.
  var hooks: nghttp2_mem {
    nghttp2_mem(
      mem_user_data: lists,
      malloc: { size, context in HTTP2Memory.take(size, context) },
      free: { block, context in HTTP2Memory.giveBack(block, context) },
      calloc: { count, size, context in
        let (total, isOverflow) = count.multipliedReportingOverflow(by: size)
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
    guard index > 0, lists.pointee.keptByteCount < maxKeptByteCount else { return free(block) }
    block.storeBytes(of: lists.pointee.heads[index], as: UnsafeMutableRawPointer?.self)
    lists.pointee.heads[index] = block
    lists.pointee.keptByteCount &+= index * granule
  }

  private static func resize(
    _ memory: UnsafeMutableRawPointer?, _ size: Int, _ context: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    guard let memory else { return take(size, context) }
    let block = memory - headerByteCount
    let index = block.load(as: Int.self)
    guard index > 0 else { return stamp(realloc(block, size &+ headerByteCount), 0) }
    let capacity = index * granule - headerByteCount
    guard size > capacity else { return memory }
    guard let larger = take(size, context) else { return nil }
    memcpy(larger, memory, capacity)
    giveBack(memory, context)
    return larger
  }
}
