public import CProtobufC
import VoleryPlatform
import VoleryTypes

/// The memory for the C structs of one message: a bump allocator that each thread keeps and resets after every message. Here
/// are also the limits of reading: against deep recursion, and against input that asks for memory out of proportion.
public final class Arena {  // Isolation: thread
  private static let firstChunkByteCount = 64 << 10
  private static let largestChunkByteCount = 1 << 20
  /// The largest chunk that a thread keeps when no message is being coded.
  private static let keptChunkByteCount = 512 << 10
  /// Blocks from this size on for which the chunk has no room are none of a chunk.
  private static let largeByteCount = 4096

  // Plain memory of one thread; the compiler's checks of exclusive access would cost more than the work.
  @exclusivity(unchecked) private var chunk: UnsafeMutableRawPointer
  /// What is left of the chunk.
  @exclusivity(unchecked) @usableFromInline var next: UnsafeMutableRawPointer
  @exclusivity(unchecked) @usableFromInline var end: UnsafeMutableRawPointer
  /// How many bytes reading may still take, those that texts and bytes will have among them.
  @exclusivity(unchecked) var memoryLeft = 0
  /// Where the stack must not get to.
  @usableFromInline let stackFloor: UInt
  /// Chunks that are full.
  @exclusivity(unchecked) private var fullChunks: [UnsafeMutableRawPointer] = []
  @exclusivity(unchecked) private var large: [UnsafeMutableRawPointer] = []
  @exclusivity(unchecked) private var isInUse = false
  /// Whether it belongs to the thread, and lives on.
  private let isKept: Bool

  @exclusivity(unchecked) @usableFromInline var maximumDepth = 0
  /// No fewer bytes than the message that is being encoded has: what its fields take at the most.
  @exclusivity(unchecked) @usableFromInline var encodedBound = 0
  /// Why the message that is being encoded can't be.
  @exclusivity(unchecked) @usableFromInline var failure: ProtobufError? { didSet { isDirty = true } }

  /// Large byte fields of the message that is being encoded.
  @exclusivity(unchecked) private(set) var lent: [[UInt8]] = []

  private init(isKept: Bool) {
    self.isKept = isKept
    SmallString.tryLayout()
    chunk = .allocate(byteCount: Arena.firstChunkByteCount, alignment: 16)
    next = chunk
    end = chunk + Arena.firstChunkByteCount
    stackFloor = Arena.floorOfStack()
  }

  deinit {
    chunk.deallocate()
    for chunk in fullChunks + large { chunk.deallocate() }
  }

  /// Gives out the chunk from its start on.
  private func startChunk(_ byteCount: Int) {
    next = chunk
    end = chunk + byteCount
  }

  private var chunkByteCount: Int { end - chunk }

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
    encodedBound = 0
    if isDirty { cleanUp() }
    isInUse = false
  }

  /// Whether more than the chunk was used.
  @exclusivity(unchecked) private var isDirty = false

  @inline(never) private func cleanUp() {
    if !fullChunks.isEmpty { forgetChunks() }
    failure = nil
    for block in large { block.deallocate() }
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

  /// Memory whose content is of no matter. It has no limit but the machine's (`MessageReader` counts what it takes), and is
  /// not given back before the message is done.
  @inlinable @inline(__always) func memory(_ size: Int) -> UnsafeMutableRawPointer {
    let total = (size &+ 15) & ~15
    let block = next
    guard total <= end - block else { return moreMemory(total) }
    next = block + total
    return block
  }

  @usableFromInline @inline(never) func moreMemory(_ total: Int) -> UnsafeMutableRawPointer {
    isDirty = true
    guard total < Arena.largeByteCount else {
      let block = UnsafeMutableRawPointer.allocate(byteCount: total, alignment: 16)
      large.append(block)
      return block
    }
    let byteCount = min(2 * chunkByteCount, Arena.largestChunkByteCount)
    fullChunks.append(chunk)
    chunk = .allocate(byteCount: byteCount, alignment: 16)
    startChunk(byteCount)
    return memory(total)
  }

  @usableFromInline @inline(never) func lend(_ bytes: [UInt8]) {
    lent.append(bytes)
    isDirty = true
  }

  // MARK: Stack

  /// Whether less of the stack is left than a few more levels of any generated code may need.
  @inlinable var isStackLow: Bool { volery_stack_address() <= stackFloor }

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
