import CProtobufC
import VoleryPlatform

/// The reading of one message: from `init` to its end it holds the thread's arena, so it must not live across an `await`.
public struct DecodeContext: ~Copyable {
  @usableFromInline let arena: Unmanaged<Arena>
  @usableFromInline let allowsPartial: Bool

  /// Takes the thread's arena, or a fresh one where a reading further up on the stack has it.
  ///
  /// - Parameters:
  ///   - byteCount: The size of the input, by which the memory limit is measured where the options name none.
  ///   - options: Limits and leniency.
  public init(byteCount: Int, _ options: DecodeOptions = DecodeOptions()) {
    arena = Arena.begin(memoryLimit: options.maximumMemory ?? ((4 << 20) &+ 64 &* byteCount))
    allowsPartial = options.allowsPartial
    arena._withUnsafeGuaranteedRef { $0.maximumDepth = options.maximumDepth }
  }

  deinit { Arena.end(arena) }

  /// Reads the bytes into C memory that lives as long as this.
  public func unpack(_ type: MessageType, _ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> RawMessage {
    guard bytes.count <= Int(Int32.max) else { throw .tooLarge }
    if type.descriptor.pointee.needsScan {
      let depth = arena._withUnsafeGuaranteedRef { $0.maximumDepth }
      if try WireScan.needsRewriting(bytes, type.descriptor, maximumDepth: depth) {
        return try unpackNormalized(type, bytes)
      }
    }
    if bytes.count >= PackedNumbers.smallestByteCount, let packedAsBytes = type.descriptor.pointee.packedAsBytes,
      let message = unpackPacked(type.descriptor, packedAsBytes, bytes)
    {
      return message
    }
    if let message = unpackOnce(type.descriptor, bytes), !arena._withUnsafeGuaranteedRef({ $0.sawValueFreed }) {
      return message
    }
    if let failure = limitFailure { throw failure }
    return try unpackNormalized(type, bytes)
  }

  /// Rare: groups, a known field with another wire type, a sub-message in several pieces, an unknown number of a closed
  /// enum. The library can't read them or reads them wrongly: rewrite the input, then read that.
  @inline(never)
  private func unpackNormalized(
    _ type: MessageType, _ bytes: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> RawMessage {
    let arena = arena.takeUnretainedValue()
    let normal = try Normalizer.normalize(
      bytes, type.descriptor, maximumDepth: arena.maximumDepth, memoryLimit: arena.memoryLeft)
    guard normal.count <= Int(Int32.max) else { throw .tooLarge }
    arena.sawValueFreed = false
    arena.isNormalized = true
    // The library copies all that it keeps.
    arena.charge(normal.capacity)
    guard let message = unpackOnce(type.descriptor, normal.bytes) else { throw limitFailure ?? .malformed }
    return message
  }

  /// Nil where a list is not packed, comes in several pieces or is malformed, and where anything else needs another look:
  /// then as if it had not been tried.
  @inline(never)
  private func unpackPacked(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    _ packedAsBytes: UnsafePointer<ProtobufCMessageDescriptor>, _ bytes: UnsafeRawBufferPointer
  ) -> RawMessage? {
    let memoryLeft = arena._withUnsafeGuaranteedRef { $0.memoryLeft }
    let message = unpackOnce(packedAsBytes, bytes)
    return arena._withUnsafeGuaranteedRef { arena in
      if let message, !arena.sawValueFreed,
        PackedNumbers.expand(UnsafeMutableRawPointer(mutating: message.base), descriptor, arena)
      {
        return message
      }
      arena.startAgain(memoryLeft: memoryLeft)
      return nil
    }
  }

  private var limitFailure: ProtobufError? {
    arena._withUnsafeGuaranteedRef { arena in
      switch arena.limit {
      case nil: nil
      case .stack: .tooDeep(limit: arena.maximumDepth)
      case .memory: .tooMuchMemory
      }
    }
  }

  private func unpackOnce(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, _ bytes: UnsafeRawBufferPointer
  ) -> RawMessage? {
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    return arena._withUnsafeGuaranteedRef { arena in
      protobuf_c_message_unpack(descriptor, &arena.allocator, bytes.count, start).map {
        RawMessage(UnsafeRawPointer($0))
      }
    }
  }

  /// Reads a sub-message.
  @inlinable
  public func message<M: Message>(_ pointer: UnsafeRawPointer, _ type: M.Type = M.self) throws(ProtobufError) -> M {
    try enter()
    let message = try M(RawMessage(pointer), self)
    leave()
    return message
  }

  /// A message within the present one begins; `leave` ends it. Throws `tooDeep` beyond the limit, and where the stack is
  /// nearly used up.
  @inlinable public func enter() throws(ProtobufError) {
    let isTooDeep = arena._withUnsafeGuaranteedRef { arena in
      arena.depth &+= 1
      return arena.depth > arena.maximumDepth || arena.isStackLow
    }
    if isTooDeep { throw tooDeep }
  }

  @usableFromInline var tooDeep: ProtobufError { .tooDeep(limit: arena._withUnsafeGuaranteedRef { $0.maximumDepth }) }

  /// Ends what the last `enter` began; not called where reading has thrown, which ends the whole.
  @inlinable public func leave() { arena._withUnsafeGuaranteedRef { $0.depth &-= 1 } }

  /// A `required` field is not there.
  public func missing(_ field: StaticString) throws(ProtobufError) {
    if !allowsPartial { throw .missingRequired(field: field.description) }
  }

  @usableFromInline var isNormalized: Bool { arena._withUnsafeGuaranteedRef { $0.isNormalized } }
}
