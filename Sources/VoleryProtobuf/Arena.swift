public import CProtobufC
import VoleryPlatform
import VoleryTypes

/// The memory in which libprotobuf-c works: a bump allocator that each thread keeps and resets after every message. Its
/// callbacks are also where the guards live that the library lacks: against deep recursion, against input that asks for
/// memory out of proportion, and a tell-tale for merged sub-messages.
///
/// More than 15 stored properties: libprotobuf-c's callbacks get one pointer, and each of the guards has a count or a mark.
public final class Arena {  // Isolation: thread
  /// Why no memory was given.
  enum Limit { case stack, memory }

  /// A large block, as an array that a `bytes` field may take over.
  struct LargeBlock {
    let start: UnsafeMutableRawPointer
    var array: [UInt8]
  }

  /// Bytes at the front of each block; they hold its size. An array's storage has its count in the same place.
  private static let headerByteCount = 16
  private static let firstChunkByteCount = 64 << 10
  private static let largestChunkByteCount = 1 << 20
  /// The largest chunk that a thread keeps when no message is being coded.
  private static let keptChunkByteCount = 512 << 10
  /// Blocks from this size on are arrays.
  @usableFromInline static let largeByteCount = 4096

  // Plain memory of one thread; the compiler's checks of exclusive access would cost more than the work.
  @exclusivity(unchecked) private var chunk: UnsafeMutableRawPointer
  @exclusivity(unchecked) @usableFromInline var next: UnsafeMutableRawPointer
  @exclusivity(unchecked) @usableFromInline var chunkEnd: UnsafeMutableRawPointer
  /// Chunks that are full.
  @exclusivity(unchecked) private var fullChunks: [UnsafeMutableRawPointer] = []
  private let stackFloor: UInt
  @exclusivity(unchecked) private(set) var memoryLeft = 0
  @exclusivity(unchecked) private var large: [LargeBlock] = []
  @exclusivity(unchecked) private var isInUse = false
  /// Whether it belongs to the thread, and lives on.
  private let isKept: Bool

  @exclusivity(unchecked) private(set) var limit: Limit? { didSet { isDirty = true } }
  /// A value was given back, because another came for the same field. Sub-messages were merged, then, which the library
  /// does wrongly, or a string was replaced that nobody has looked at.
  @exclusivity(unchecked) var sawValueFreed = false { didSet { isDirty = true } }
  /// Whether the library reads what the normalizer wrote.
  @exclusivity(unchecked) var isNormalized = false { didSet { isDirty = true } }
  @exclusivity(unchecked) @usableFromInline var depth = 0
  @exclusivity(unchecked) @usableFromInline var maximumDepth = 0
  /// Why the message that is being encoded can't be.
  @exclusivity(unchecked) @usableFromInline var failure: ProtobufError? { didSet { isDirty = true } }

  /// Large byte fields of the message that is being encoded.
  @exclusivity(unchecked) private(set) var lent: [[UInt8]] = []

  @exclusivity(unchecked) var allocator = ProtobufCAllocator()

  private init(isKept: Bool) {
    self.isKept = isKept
    stackFloor = Arena.floorOfStack()
    chunk = .allocate(byteCount: Arena.firstChunkByteCount, alignment: 16)
    chunkEnd = chunk + Arena.firstChunkByteCount
    next = chunk
    allocator.allocator_data = Unmanaged.passUnretained(self).toOpaque()
    allocator.alloc = { context, size in
      Unmanaged<Arena>.fromOpaque(context.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.allocate(size) }
    }
    allocator.free = { context, block in
      guard let block else { return }
      Unmanaged<Arena>.fromOpaque(context.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.freed(block) }
    }
  }

  deinit {
    chunk.deallocate()
    for chunk in fullChunks { chunk.deallocate() }
  }

  // MARK: One for each thread

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { Arena.threadEnds($0) }
    return key
  }()

  private static func threadEnds(_ arena: UnsafeMutableRawPointer?) {
    volery_arena_slot().pointee = nil
    if let arena { Unmanaged<Arena>.fromOpaque(arena).release() }
  }

  // What reaches for the slot must not be inlined: the C function is a static one of each object file, and so is its slot.

  /// The thread's arena, begun; a fresh one where that is in use already (a message within a message's own coding).
  @inline(never) static func begin(memoryLimit: Int) -> Unmanaged<Arena> {
    if let stored = volery_arena_slot().pointee {
      let own = Unmanaged<Arena>.fromOpaque(stored)
      if own._withUnsafeGuaranteedRef({ $0.take(memoryLimit: memoryLimit) }) { return own }
    }
    return beginAnother(memoryLimit: memoryLimit)
  }

  @inline(never) private static func beginAnother(memoryLimit: Int) -> Unmanaged<Arena> {
    let isKept = volery_arena_slot().pointee == nil
    let arena = Unmanaged.passRetained(Arena(isKept: isKept))
    if isKept {
      volery_arena_slot().pointee = arena.toOpaque()
      // The key's destructor frees it with the thread.
      pthread_setspecific(key, arena.toOpaque())
    }
    _ = arena._withUnsafeGuaranteedRef { $0.take(memoryLimit: memoryLimit) }
    return arena
  }

  @inline(__always) private func take(memoryLimit: Int) -> Bool {
    if isInUse { return false }
    isInUse = true
    memoryLeft = memoryLimit
    return true
  }

  static func end(_ arena: Unmanaged<Arena>) {
    let isKept = arena._withUnsafeGuaranteedRef { arena in
      arena.reset()
      return arena.isKept
    }
    if !isKept { arena.release() }
  }

  @inline(__always) private func reset() {
    next = chunk
    depth = 0
    if isDirty { cleanUp() }
    isInUse = false
  }

  /// Whether more than the chunk was used.
  @exclusivity(unchecked) private var isDirty = false

  @inline(never) private func cleanUp() {
    if !fullChunks.isEmpty { forgetChunks() }
    next = chunk
    limit = nil
    sawValueFreed = false
    isNormalized = false
    failure = nil
    large.removeAll(keepingCapacity: large.capacity <= 64)
    lent.removeAll(keepingCapacity: lent.capacity <= 64)
    isDirty = false
  }

  /// The newest chunk is the largest; it stays if it is not too large to be kept.
  @inline(never) private func forgetChunks() {
    if chunkEnd - chunk > Arena.keptChunkByteCount {
      chunk.deallocate()
      chunk = fullChunks.removeFirst()
      // Whatever its size, it has this.
      chunkEnd = chunk + Arena.firstChunkByteCount
    }
    for chunk in fullChunks { chunk.deallocate() }
    fullChunks.removeAll()
  }

  // MARK: Memory

  /// Nil at a limit; `limit` tells which.
  @inline(__always) func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let total = (size &+ (Arena.headerByteCount + 15)) & ~15
    memoryLeft &-= total
    guard memoryLeft >= 0, volery_stack_address() > stackFloor else { return refuse() }
    guard total < Arena.largeByteCount else { return allocateLarge(size) }
    if chunkEnd - next < total { addChunk() }
    let block = next + Arena.headerByteCount
    next.storeBytes(of: size, as: Int.self)
    next += total
    return block
  }

  /// Counts memory that decoding takes elsewhere.
  func charge(_ byteCount: Int) { memoryLeft -= byteCount }

  /// As if nothing had been read yet, though what was allocated stays till the end.
  func startAgain(memoryLeft: Int) {
    self.memoryLeft = memoryLeft
    limit = nil
    sawValueFreed = false
  }

  @inline(never) private func refuse() -> UnsafeMutableRawPointer? {
    limit = memoryLeft < 0 ? .memory : .stack
    return nil
  }

  @inline(never) private func addChunk() {
    let byteCount = min(2 * (chunkEnd - chunk), Arena.largestChunkByteCount)
    fullChunks.append(chunk)
    isDirty = true
    chunk = .allocate(byteCount: byteCount, alignment: 16)
    chunkEnd = chunk + byteCount
    next = chunk
  }

  @inline(never) private func allocateLarge(_ size: Int) -> UnsafeMutableRawPointer? {
    var array = BorrowedStorage.toBeFilled(max(1, size))
    let start = BorrowedStorage.start(ofOwn: &array)!
    large.append(LargeBlock(start: start, array: array))
    isDirty = true
    return start
  }

  /// Memory for encoding, whose content is of no matter; that has no limit but the machine's, and is not given back.
  @inlinable @inline(__always) func memory(_ size: Int) -> UnsafeMutableRawPointer {
    let total = (size &+ 15) & ~15
    guard total <= chunkEnd - next, total < Arena.largeByteCount else { return moreMemory(size) }
    let block = next
    next += total
    return block
  }

  @usableFromInline @inline(never) func moreMemory(_ size: Int) -> UnsafeMutableRawPointer {
    // Only a stack that is nearly full can be the reason: that is an error already, told when the message is packed.
    allocate(size) ?? allocateLarge(size)!
  }

  /// The library's lists of what it has scanned: 32 of these on 64 bits (`ScannedMember`), then 64, 128...
  private static let smallestListByteCount = 32 * 32

  @inline(__always) private func freed(_ block: UnsafeMutableRawPointer) {
    let size = (block - Arena.headerByteCount).load(as: Int.self)
    // The generator gives messages a size of 8 modulo 16. A string of just the size of a list is not looked at.
    if size & (size &- 1) != 0 || size < Arena.smallestListByteCount { sawValueFreed = true }
  }

  @usableFromInline @inline(never) func lend(_ bytes: [UInt8]) {
    lent.append(bytes)
    isDirty = true
  }

  /// The array of a large block; nil when the bytes are not one.
  @usableFromInline @inline(never) func adopt(_ data: ProtobufCBinaryData) -> [UInt8]? {
    guard let index = large.lastIndex(where: { $0.start == UnsafeMutableRawPointer(data.data) }),
      large[index].array.count == data.len
    else { return nil }
    return large.remove(at: index).array
  }

  // MARK: Stack

  /// Whether less of the stack is left than a few more levels of any generated code may need.
  @usableFromInline var isStackLow: Bool { volery_stack_address() <= stackFloor }

  /// The same without an arena at hand.
  @inline(never) static func isStackLow() -> Bool {
    guard let stored = volery_arena_slot().pointee else { return false }
    return Unmanaged<Arena>.fromOpaque(stored)._withUnsafeGuaranteedRef { $0.isStackLow }
  }

  private static func floorOfStack() -> UInt {
    #if os(Linux)
      var attributes = pthread_attr_t()
      guard pthread_getattr_np(pthread_self(), &attributes) == 0 else { return 0 }
      defer { pthread_attr_destroy(&attributes) }
      var bottom: UnsafeMutableRawPointer?
      var size = 0
      guard pthread_attr_getstack(&attributes, &bottom, &size) == 0, let bottom else { return 0 }
      return UInt(bitPattern: bottom) + UInt(min(size / 4, 128 << 10))
    #else
      let top = UInt(bitPattern: pthread_get_stackaddr_np(pthread_self()))
      let size = UInt(pthread_get_stacksize_np(pthread_self()))
      return top - size + min(size / 4, 128 << 10)
    #endif
  }
}

// One thread at a time uses it: the thread that it belongs to.
extension Arena: @unchecked Sendable {}  // Isolation: thread
