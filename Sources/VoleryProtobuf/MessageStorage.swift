/// The fields of a large message, on the heap: copied when one of several values that share them changes.
///
/// Small messages are cheaper as they are; the plugin decides (Docs/Codegen.md).
@frozen public struct Stored<Fields: Hashable & Sendable>: Sendable {
  public var storage: MessageStorage<Fields>

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
  @inlinable public static func == (left: Stored, right: Stored) -> Bool {
    left.storage === right.storage || left.storage.fields == right.storage.fields
  }

  @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(storage.fields) }
}

/// See `Stored`, which alone changes the fields, and only where nobody else has them. (While a message is decoded nobody
/// else has its storage.)
public final class MessageStorage<Fields: Hashable & Sendable> {
  @exclusivity(unchecked) public var fields: Fields

  @inlinable public init(_ fields: Fields) { self.fields = fields }

  /// Lends the fields where they are: reading them one by one would retain each. `body` must not change the message.
  @inlinable public func withFields(_ body: (borrowing Fields) -> Void) {
    withUnsafeMutablePointer(to: &fields) { Lent.read(UnsafePointer($0), body) }
  }
}

extension MessageStorage: @unchecked Sendable {}
