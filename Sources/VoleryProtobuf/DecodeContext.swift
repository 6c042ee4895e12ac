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

  /// Reads the bytes into C memory that lives as long as this, and points into them.
  public func unpack(_ type: MessageType, _ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> RawMessage {
    guard bytes.count <= Int(Int32.max) else { throw .tooLarge }
    return RawMessage(try MessageReader(arena: arena).read(bytes, type.descriptor))
  }

  /// Makes a sub-message. Throws `tooDeep` where the stack is nearly used up: it takes more of it than reading did.
  @inlinable
  public func message<M: Message>(_ pointer: UnsafeRawPointer, _ type: M.Type = M.self) throws(ProtobufError) -> M {
    if arena._withUnsafeGuaranteedRef({ $0.isStackLow }) { throw tooDeep }
    return try M(RawMessage(pointer), self)
  }

  @usableFromInline var tooDeep: ProtobufError { .tooDeep(limit: arena._withUnsafeGuaranteedRef { $0.maximumDepth }) }

  /// A `required` field is not there.
  public func missing(_ field: StaticString) throws(ProtobufError) {
    if !allowsPartial { throw .missingRequired(field: field.description) }
  }
}
