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
  private static let headerByteCount = Int(VOLERY_BUMP_HEADER)
  private static let firstChunkByteCount = 64 << 10
  private static let largestChunkByteCount = 1 << 20
  /// The largest chunk that a thread keeps when no message is being coded.
  private static let keptChunkByteCount = 512 << 10
  /// Blocks from this size on are arrays.
  @usableFromInline static let largeByteCount = 4096

  // Plain memory of one thread; the compiler's checks of exclusive access would cost more than the work.
  @exclusivity(unchecked) private var chunk: UnsafeMutableRawPointer
  /// What is left of the chunk and of the memory that may be used: C code gives it out (shim.h).
  @usableFromInline let bump: UnsafeMutablePointer<volery_bump>
  /// Chunks that are full.
  @exclusivity(unchecked) private var fullChunks: [UnsafeMutableRawPointer] = []
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
  /// No fewer bytes than the message that is being encoded has: what its fields take at the most.
  @exclusivity(unchecked) @usableFromInline var encodedBound = 0
  /// Why the message that is being encoded can't be.
  @exclusivity(unchecked) @usableFromInline var failure: ProtobufError? { didSet { isDirty = true } }

  /// Large byte fields of the message that is being encoded.
  @exclusivity(unchecked) private(set) var lent: [[UInt8]] = []

  @exclusivity(unchecked) var allocator = ProtobufCAllocator()

  private init(isKept: Bool) {
    self.isKept = isKept
    SmallString.tryLayout()
    chunk = .allocate(byteCount: Arena.firstChunkByteCount, alignment: 16)
    bump = .allocate(capacity: 1)
    bump.initialize(to: volery_bump())
    bump.pointee.stack_floor = Arena.floorOfStack()
    bump.pointee.owner = Unmanaged.passUnretained(self).toOpaque()
    bump.pointee.more = { owner, size in
      Unmanaged<Arena>.fromOpaque(owner.unsafelyUnwrapped)._withUnsafeGuaranteedRef { $0.allocateMore(size) }
    }
    allocator.allocator_data = UnsafeMutableRawPointer(bump)
    allocator.alloc = volery_bump_allocate
    allocator.free = { context, block in
      guard let block, let bump = context?.assumingMemoryBound(to: volery_bump.self) else { return }
      Unmanaged<Arena>.fromOpaque(bump.pointee.owner)._withUnsafeGuaranteedRef { $0.freed(block) }
    }
    startChunk(Arena.firstChunkByteCount)
  }

  deinit {
    chunk.deallocate()
    for chunk in fullChunks { chunk.deallocate() }
    bump.deallocate()
  }

  /// Gives out the chunk from its start on.
  private func startChunk(_ byteCount: Int) {
    let start = chunk.assumingMemoryBound(to: UInt8.self)
    bump.pointee.next = start
    bump.pointee.end = start + byteCount
  }

  private var chunkByteCount: Int { bump.pointee.end - chunk.assumingMemoryBound(to: UInt8.self) }

  private(set) var memoryLeft: Int {
    get { bump.pointee.left }
    set { bump.pointee.left = newValue }
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
    bump.pointee.next = chunk.assumingMemoryBound(to: UInt8.self)
    depth = 0
    encodedBound = 0
    if isDirty { cleanUp() }
    isInUse = false
  }

  /// Whether more than the chunk was used.
  @exclusivity(unchecked) private var isDirty = false

  @inline(never) private func cleanUp() {
    if !fullChunks.isEmpty { forgetChunks() }
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
    if chunkByteCount > Arena.keptChunkByteCount {
      chunk.deallocate()
      chunk = fullChunks.removeFirst()
      // Whatever its size, it has this.
      startChunk(Arena.firstChunkByteCount)
    }
    for chunk in fullChunks { chunk.deallocate() }
    fullChunks.removeAll()
  }

  // MARK: Memory

  /// Nil at a limit; `limit` tells which.
  func allocate(_ size: Int) -> UnsafeMutableRawPointer? { volery_bump_allocate(bump, size) }

  /// What is not simply the next piece of the chunk; its size is off `memoryLeft` already.
  @inline(never) private func allocateMore(_ size: Int) -> UnsafeMutableRawPointer? {
    guard memoryLeft >= 0, !isStackLow else { return refuse() }
    let total = (size &+ (Arena.headerByteCount + 15)) & ~15
    guard total < Arena.largeByteCount else { return allocateLarge(size) }
    addChunk()
    memoryLeft &+= total
    return allocate(size)
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
    let byteCount = min(2 * chunkByteCount, Arena.largestChunkByteCount)
    fullChunks.append(chunk)
    isDirty = true
    chunk = .allocate(byteCount: byteCount, alignment: 16)
    startChunk(byteCount)
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
    let block = bump.pointee.next.unsafelyUnwrapped
    guard total <= bump.pointee.end.unsafelyUnwrapped - block, total < Arena.largeByteCount else {
      return moreMemory(size)
    }
    bump.pointee.next = block + total
    return UnsafeMutableRawPointer(block)
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
  @inlinable var isStackLow: Bool { volery_stack_address() <= bump.pointee.stack_floor }

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
