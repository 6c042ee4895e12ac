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
