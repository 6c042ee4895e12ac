import CNGHTTP2

/// Header fields that are always the same: made once, sent without a copy.
package final class FixedHeaders: @unchecked Sendable {
  // Never changed, never freed.
  fileprivate let fields: UnsafeBufferPointer<nghttp2_nv>

  package init(_ list: [(name: StaticString, value: StaticString)]) {
    let fields = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: list.count)
    for (index, field) in list.enumerated() {
      fields.initializeElement(at: index, to: nghttp2_nv(fixed: field.name, field.value))
    }
    self.fields = UnsafeBufferPointer(fields)
  }
}

/// Header fields that have to be sent: fixed names and values without a copy, the others in one flat buffer.
package struct HeaderList {
  private let fixed: FixedHeaders?
  /// As nghttp2 wants them, but for what is not fixed: there the pointer is an offset into `bytes`, plus one.
  private var entries: [nghttp2_nv] = []
  private var bytes: [UInt8] = []

  package init(capacity: Int = 8) {
    fixed = nil
    entries.reserveCapacity(capacity)
  }

  /// The fixed fields come first.
  package init(_ fixed: FixedHeaders) { self.fixed = fixed }

  package var isEmpty: Bool { entries.isEmpty && fixed == nil }

  package mutating func append(_ name: StaticString, _ value: StaticString) {
    entries.append(nghttp2_nv(fixed: name, value))
  }

  package mutating func append(_ name: StaticString, _ value: String) {
    var value = value
    value.withUTF8 { append(name, bytes: UnsafeRawBufferPointer($0)) }
  }

  package mutating func append(_ name: StaticString, bytes value: UnsafeRawBufferPointer) {
    var field = nghttp2_nv(fixed: name, "")
    field.flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
    (field.value, field.valuelen) = store(value)
    entries.append(field)
  }

  package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    var field = nghttp2_nv()
    (field.name, field.namelen) = store(name)
    (field.value, field.valuelen) = store(value)
    entries.append(field)
  }

  private mutating func store(_ source: UnsafeRawBufferPointer) -> (UnsafeMutablePointer<UInt8>?, Int) {
    let offset = bytes.count
    bytes.append(
      contentsOf: UnsafeBufferPointer(
        start: source.baseAddress?.assumingMemoryBound(to: UInt8.self), count: source.count))
    return (UnsafeMutablePointer(bitPattern: offset + 1), source.count)
  }

  /// The fields as nghttp2 wants them; it copies what is not fixed.
  func withEntries<Result>(_ body: (UnsafeBufferPointer<nghttp2_nv>) -> Result) -> Result {
    if entries.isEmpty, let fixed { return body(fixed.fields) }
    let fixedCount = fixed?.fields.count ?? 0
    return withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fixedCount + entries.count) { fields in
      if let fixed { _ = fields.initialize(fromContentsOf: fixed.fields) }
      return bytes.withUnsafeBufferPointer { bytes in
        let start = UnsafeMutablePointer(mutating: bytes.baseAddress) ?? UnsafeMutablePointer(bitPattern: 1)!
        for index in entries.indices {
          var field = entries[index]
          if field.flags & UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue) == 0 {
            field.name = start + (Int(bitPattern: field.name) - 1)
          }
          if field.flags & UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue) == 0 {
            field.value = start + (Int(bitPattern: field.value) - 1)
          }
          fields.initializeElement(at: fixedCount + index, to: field)
        }
        return body(UnsafeBufferPointer(fields))
      }
    }
  }
}

extension nghttp2_nv {
  fileprivate init(fixed name: StaticString, _ value: StaticString) {
    self.init(
      name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: value.utf8Start),
      namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
      flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
  }
}
