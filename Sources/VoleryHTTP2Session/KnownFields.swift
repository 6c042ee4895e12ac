import CNGHTTP2

/// The fields that a block had when it was received last, by their place. HPACK hands a field that stands in its table over as
/// the same object each time: where that is so, its bytes are in the block already.
struct KnownFields: ~Copyable {
  struct Field {
    /// nghttp2's, kept alive: no other field gets their addresses.
    fileprivate(set) var name: OpaquePointer
    fileprivate(set) var value: OpaquePointer
    /// Where it ends in the block.
    fileprivate(set) var end: Int
  }

  /// Fields behind these are received as if nothing were known of them.
  static let capacity = 32

  private(set) var count = 0
  private var fields: UnsafeMutablePointer<Field>?

  deinit {
    for index in 0..<count { KnownFields.release(fields![index]) }
    fields?.deallocate()
  }

  /// Where the last one ends.
  var end: Int { count > 0 ? fields![count - 1].end : 0 }

  @inline(__always)
  subscript(index: Int) -> Field { fields.unsafelyUnwrapped[index] }

  /// The one behind the last, while there is room.
  mutating func append(_ name: OpaquePointer, _ value: OpaquePointer, end: Int) {
    guard count < KnownFields.capacity else { return }
    let fields = fields ?? .allocate(capacity: KnownFields.capacity)
    self.fields = fields
    nghttp2_rcbuf_incref(name)
    nghttp2_rcbuf_incref(value)
    (fields + count).initialize(to: Field(name: name, value: value, end: end))
    count += 1
  }

  /// One has another value now, so that those behind it have moved.
  mutating func replace(_ index: Int, _ name: OpaquePointer, _ value: OpaquePointer, movedBy distance: Int) {
    nghttp2_rcbuf_incref(name)
    nghttp2_rcbuf_incref(value)
    KnownFields.release(fields![index])
    fields![index].name = name
    fields![index].value = value
    guard distance != 0 else { return }
    for place in index..<count { fields![place].end += distance }
  }

  mutating func removeAll(from index: Int) {
    while count > index {
      count -= 1
      KnownFields.release(fields![count])
    }
  }

  private static func release(_ field: Field) {
    nghttp2_rcbuf_decref(field.name)
    nghttp2_rcbuf_decref(field.value)
  }
}
