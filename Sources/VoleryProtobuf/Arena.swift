import CProtobufC

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The memory in which libprotobuf-c works: a bump allocator that each thread keeps and resets after every message. Its
/// callbacks are also where the guards live that the library lacks: against deep recursion, against input that asks for
/// memory out of proportion, and a tell-tale for merged sub-messages.
public final class Arena {
  /// Bytes at the front of each block; they hold its size.
  private static let headerByteCount = 16
  private static let chunkByteCount = 64 << 10

  private let chunk = UnsafeMutableRawPointer.allocate(byteCount: Arena.chunkByteCount, alignment: 16)
  @exclusivity(unchecked) private var used = 0
  @exclusivity(unchecked) private var large: [UnsafeMutableRawBufferPointer] = []
  /// A block of the last large message, for the next one: fresh memory costs a page fault each 4 KiB.
  @exclusivity(unchecked) private var spare = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private static let spareByteLimit = 2 << 20
  @exclusivity(unchecked) private var taken = 0
  @exclusivity(unchecked) private var isInUse = false
  private let stackFloor: UInt

  /// Bytes that one message may take, set by `begin`.
  @exclusivity(unchecked) private var memoryLimit = 0
  @exclusivity(unchecked) fileprivate(set) var hitLimit: ProtobufError?
  /// A block with the size of a message was given back: sub-messages were merged, which the library does wrongly.
  @exclusivity(unchecked) fileprivate(set) var sawMessageFreed = false
  @exclusivity(unchecked) public internal(set) var depth = 0

  @exclusivity(unchecked) var allocator = ProtobufCAllocator()

  private init() {
    stackFloor = Arena.floorOfStack()
    allocator.allocator_data = Unmanaged.passUnretained(self).toOpaque()
    allocator.alloc = { context, size in
      Unmanaged<Arena>.fromOpaque(context!)._withUnsafeGuaranteedRef { $0.allocate(size) }
    }
    allocator.free = { context, block in
      guard let block else { return }
      Unmanaged<Arena>.fromOpaque(context!)._withUnsafeGuaranteedRef { $0.freed(block) }
    }
  }

  deinit {
    chunk.deallocate()
    for block in large { free(block.baseAddress) }
    free(spare.baseAddress)
  }

  // MARK: One for each thread

  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { Unmanaged<Arena>.fromOpaque($0!).release() }
    return key
  }()

  /// The thread's arena, begun; a fresh one where that is in use already (a message within a message's own coding).
  static func begin(memoryLimit: Int) -> Arena {
    let arena: Arena
    if let stored = pthread_getspecific(key) {
      let own = Unmanaged<Arena>.fromOpaque(stored).takeUnretainedValue()
      arena = own.isInUse ? Arena() : own
    } else {
      arena = Arena()
      pthread_setspecific(key, Unmanaged.passRetained(arena).toOpaque())
    }
    arena.isInUse = true
    arena.memoryLimit = memoryLimit
    return arena
  }

  func end() {
    used = 0
    taken = 0
    depth = 0
    hitLimit = nil
    sawMessageFreed = false
    if !large.isEmpty {
      for block in large { keepOrFree(block) }
      large.removeAll()
    }
    isInUse = false
  }

  func forgetFreed() { sawMessageFreed = false }

  // MARK: Memory

  /// Nil at a limit; `hitLimit` tells which.
  func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard !isStackLow else {
      hitLimit = .tooDeep(limit: DecodeContext.maxDepth)
      return nil
    }
    let total = (size + Arena.headerByteCount + 15) & ~15
    taken += total
    guard taken <= memoryLimit else {
      hitLimit = .tooMuchMemory
      return nil
    }
    let block: UnsafeMutableRawPointer
    if used + total <= Arena.chunkByteCount {
      block = chunk + used
      used += total
    } else {
      guard let memory = makeLarge(total) else {
        hitLimit = .tooMuchMemory
        return nil
      }
      block = memory
    }
    block.storeBytes(of: size, as: Int.self)
    return block + Arena.headerByteCount
  }

  private func makeLarge(_ size: Int) -> UnsafeMutableRawPointer? {
    if size <= spare.count {
      large.append(spare)
      spare = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    } else {
      guard let memory = malloc(size) else { return nil }
      large.append(UnsafeMutableRawBufferPointer(start: memory, count: size))
    }
    return large[large.count - 1].baseAddress
  }

  /// The largest that is not too large to be kept for ever.
  private func keepOrFree(_ block: UnsafeMutableRawBufferPointer) {
    guard block.count > spare.count, block.count <= Arena.spareByteLimit else { return free(block.baseAddress) }
    free(spare.baseAddress)
    spare = block
  }

  /// Zeroed memory for encoding; that has no limit but the machine's.
  public func zeroed(_ size: Int) -> UnsafeMutableRawPointer {
    guard let block = allocate(size) else { fatalError("no memory to encode a message") }
    memset(block, 0, size)
    return block
  }

  private func freed(_ block: UnsafeMutableRawPointer) {
    // The generator gives messages a size of 8 modulo 16. Other blocks may have one too: that only costs time.
    let size = (block - Arena.headerByteCount).load(as: Int.self)
    if size & 15 == 8 { sawMessageFreed = true }
  }

  // MARK: Stack

  /// Whether less of the stack is left than a few more levels of any generated code may need.
  public var isStackLow: Bool {
    withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { UInt(bitPattern: $0.baseAddress!) < stackFloor }
  }

  private static func floorOfStack() -> UInt {
    #if canImport(Glibc)
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
extension Arena: @unchecked Sendable {}
