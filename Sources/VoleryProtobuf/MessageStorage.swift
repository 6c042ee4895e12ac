/// The fields of a large message, on the heap: copied when one of several values that share them changes.
///
/// Small messages are cheaper as they are; the plugin decides (Docs/Codegen.md).
@frozen public struct Stored<Fields: Hashable & Sendable>: Sendable {
  /// The fields on the heap; may be shared with other values, so read through it and change through `unique`.
  public var storage: MessageStorage<Fields>

  /// A value that shares these fields with whoever has them already.
  @inlinable public init(_ storage: MessageStorage<Fields>) { self.storage = storage }

  /// The fields, to be changed: this value's own from here on.
  @inlinable public var unique: Fields {
    get { storage.fields }
    _modify {
      if !isKnownUniquelyReferenced(&storage) { storage = MessageStorage(storage.fields) }
      yield &storage.fields
    }
  }
}

extension Stored: Hashable {
  /// True when the fields are equal; those that share their storage are not compared.
  @inlinable public static func == (left: Stored, right: Stored) -> Bool {
    left.storage === right.storage || left.storage.fields == right.storage.fields
  }

  /// The fields' own hash, so that it agrees with `==`.
  @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(storage.fields) }
}

/// See `Stored`, which alone changes the fields, and only where nobody else has them. (While a message is decoded nobody
/// else has its storage.)
public final class MessageStorage<Fields: Hashable & Sendable> {  // Isolation: unique
  @exclusivity(unchecked) @usableFromInline var own: Fields

  /// The fields; changed by `Stored` alone, through storage that nobody else has. (Other modules have no use for `own`: there
  /// the compiler would check each access.)
  @inlinable public var fields: Fields {
    @inline(__always) _read { yield own }
    @inline(__always) _modify { yield &own }
  }

  /// Puts the fields on the heap.
  @inlinable public init(_ fields: Fields) { own = fields }

  /// Lends the fields where they are: reading them one by one would retain each. `body` must not change the message.
  @inlinable public func withFields(_ body: (borrowing Fields) -> Void) {
    withUnsafeMutablePointer(to: &own) { Lent.read(UnsafePointer($0), body) }
  }
}

extension MessageStorage: @unchecked Sendable {}  // Isolation: unique

/// A value that is lent where it lies. Reading a copyable value through a pointer copies it, which retains and releases
/// all that it holds; one of this type, which has the same bytes, can only be borrowed.
@frozen @usableFromInline struct Lent<Value>: ~Copyable {
  @usableFromInline let value: Value

  @inlinable @inline(__always) borrowing func read(_ body: (borrowing Value) -> Void) { body(value) }

  /// `body` must not change what the pointer points to.
  @inlinable @inline(__always)
  static func read(_ pointer: UnsafePointer<Value>, _ body: (borrowing Value) -> Void) {
    UnsafeRawPointer(pointer).assumingMemoryBound(to: Lent<Value>.self).pointee.read(body)
  }

  /// Each element of an array, with its place in the array.
  @inlinable @inline(__always)
  static func readAll(_ values: [Value], _ body: (Int, borrowing Value) -> Void) {
    values.withUnsafeBufferPointer { values in
      guard let start = values.baseAddress else { return }
      for index in 0..<values.count { read(start + index) { body(index, $0) } }
    }
  }
}
