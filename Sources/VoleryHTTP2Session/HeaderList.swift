import CNGHTTP2

/// Header fields that have to be sent: fixed names and values without a copy, the others in one flat buffer.
package struct HeaderList {
  private struct Entry {
    var fixedName: StaticString?
    var fixedValue: StaticString?
    var name = 0
    var nameCount = 0
    var value = 0
    var valueCount = 0
  }

  private var entries: [Entry] = []
  private var bytes: [UInt8] = []

  package init(capacity: Int = 8) { entries.reserveCapacity(capacity) }

  package var isEmpty: Bool { entries.isEmpty }

  package mutating func append(_ name: StaticString, _ value: StaticString) {
    entries.append(Entry(fixedName: name, fixedValue: value))
  }

  package mutating func append(_ name: StaticString, _ value: String) {
    var value = value
    value.withUTF8 { append(name, bytes: UnsafeRawBufferPointer($0)) }
  }

  package mutating func append(_ name: StaticString, bytes value: UnsafeRawBufferPointer) {
    entries.append(Entry(fixedName: name, value: bytes.count, valueCount: value.count))
    bytes.append(contentsOf: value)
  }

  package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    entries.append(
      Entry(name: bytes.count, nameCount: name.count, value: bytes.count + name.count, valueCount: value.count))
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: value)
  }

  /// The fields as nghttp2 wants them; it copies what is not fixed.
  func withEntries<Result>(_ body: (UnsafeBufferPointer<nghttp2_nv>) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: entries.count) { fields in
        let start = UnsafeMutablePointer(mutating: bytes.baseAddress) ?? UnsafeMutablePointer(bitPattern: 1)!
        for (index, entry) in entries.enumerated() {
          var field = nghttp2_nv()
          if let fixed = entry.fixedName {
            field.name = UnsafeMutablePointer(mutating: fixed.utf8Start)
            field.namelen = fixed.utf8CodeUnitCount
            field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
          } else {
            field.name = start + entry.name
            field.namelen = entry.nameCount
          }
          if let fixed = entry.fixedValue {
            field.value = UnsafeMutablePointer(mutating: fixed.utf8Start)
            field.valuelen = fixed.utf8CodeUnitCount
            field.flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
          } else {
            field.value = start + entry.value
            field.valuelen = entry.valueCount
          }
          fields.initializeElement(at: index, to: field)
        }
        return body(UnsafeBufferPointer(fields))
      }
    }
  }
}
