import VoleryPlatform

/// Small blocks that were given back, in lists by size: they are handed out again, which costs a tenth of what malloc costs.
///
/// Plain memory, so that the C functions that use it count no references; who has it frees it.
struct BlockLists {
  /// In front of each block: its class, 0 for one that is not kept. 16 bytes, so that what follows is aligned.
  static let headerByteCount = 16
  /// Blocks are multiples of this.
  private static let granule = 32
  /// Larger blocks are not kept.
  private static let classCount = 32
  /// All that is kept together has at most so many bytes.
  private static let maxKeptByteCount = 1 << 20

  /// Bytes that nobody uses now.
  private(set) var keptByteCount = 0
  /// The first block of each class; a kept block holds the address of the next one.
  private let heads: UnsafeMutablePointer<UnsafeMutableRawPointer?>

  init() {
    heads = .allocate(capacity: BlockLists.classCount + 1)
    heads.initialize(repeating: nil, count: BlockLists.classCount + 1)
  }

  /// Frees what is kept; the lists are not used any more.
  func letGo() {
    for index in 0...BlockLists.classCount {
      var next = heads[index]
      while let block = next {
        next = block.load(as: UnsafeMutableRawPointer?.self)
        free(block)
      }
    }
    heads.deallocate()
  }

  /// The class of a block, by its memory.
  @inline(__always)
  static func sizeClass(of memory: UnsafeMutableRawPointer) -> Int { (memory - headerByteCount).load(as: Int.self) }

  /// The bytes that a block of this class has, one that is kept.
  @inline(__always)
  static func capacity(ofClass index: Int) -> Int { index * granule - headerByteCount }

  @inline(__always)
  static func stamp(_ block: UnsafeMutableRawPointer?, _ index: Int) -> UnsafeMutableRawPointer? {
    guard let block else { return nil }
    block.storeBytes(of: index, as: Int.self)
    return block + headerByteCount
  }

  /// Memory of this size; nil where the system has none.
  @inline(__always)
  mutating func take(_ size: Int) -> UnsafeMutableRawPointer? {
    // nghttp2 asks for sizes, never for less than nothing.
    let total = size &+ BlockLists.headerByteCount
    let index = (total &+ (BlockLists.granule - 1)) / BlockLists.granule
    guard index <= BlockLists.classCount else { return BlockLists.stamp(malloc(total), 0) }
    guard let block = heads[index] else { return BlockLists.stamp(malloc(index * BlockLists.granule), index) }
    heads[index] = block.load(as: UnsafeMutableRawPointer?.self)
    keptByteCount &-= index * BlockLists.granule
    return BlockLists.stamp(block, index)
  }

  /// Takes memory back whose class is above 0.
  @inline(__always)
  mutating func giveBack(_ memory: UnsafeMutableRawPointer, ofClass index: Int) {
    let block = memory - BlockLists.headerByteCount
    guard keptByteCount < BlockLists.maxKeptByteCount else { return free(block) }
    block.storeBytes(of: heads[index], as: UnsafeMutableRawPointer?.self)
    heads[index] = block
    keptByteCount &+= index * BlockLists.granule
  }
}
