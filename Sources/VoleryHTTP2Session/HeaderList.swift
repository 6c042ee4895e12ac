import CNGHTTP2
import VoleryPlatform
import VoleryPrimitives

/// Header fields that are always the same: made once, sent without a copy.
package struct FixedHeaders: @unchecked Sendable {  // Isolation: constant
  // Never changed, never freed: a copy counts no references.
  let fields: UnsafeBufferPointer<nghttp2_nv>

  package init(_ list: [(name: StaticString, value: StaticString)]) {
    let fields = CacheLines.allocate(nghttp2_nv.self, count: list.count)
    for (index, field) in list.enumerated() {
      (fields + index).initialize(to: nghttp2_nv(fixed: field.name, field.value))
    }
    self.fields = UnsafeBufferPointer(start: fields, count: list.count)
  }
}

/// Header fields that somebody keeps, ready to be sent again and again: nghttp2 points to them while a request waits, so they
/// have to live as long as the session.
package final class KeptHeaders {  // Isolation: loop
  let fields: UnsafeMutableBufferPointer<nghttp2_nv>
  private let bytes: UnsafeMutableBufferPointer<UInt8>
  /// By RFC 9113's count.
  let listByteCount: Int
  /// What they are but for the first one in HPACK, and the state of its table that this holds for (`UsualRequests`); 0: none.
  @exclusivity(unchecked) private(set) var rest = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  @exclusivity(unchecked) private(set) var table: UInt32 = 0

  package init(_ list: consuming HeaderList) {
    listByteCount = list.listByteCount
    (fields, bytes) = list.withEntries { entries in
      let fields = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: entries.count)
      let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(
        capacity: entries.reduce(0) { $0 + $1.namelen + $1.valuelen })
      var next = bytes.baseAddress!
      func keep(_ start: UnsafeMutablePointer<UInt8>?, _ count: Int) -> UnsafeMutablePointer<UInt8> {
        if let start { memcpy(next, start, count) }
        defer { next += count }
        return next
      }
      for (index, entry) in entries.enumerated() {
        let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        fields.initializeElement(
          at: index,
          to: nghttp2_nv(
            name: keep(entry.name, entry.namelen), value: keep(entry.value, entry.valuelen), namelen: entry.namelen,
            valuelen: entry.valuelen, flags: flags))
      }
      return (fields, bytes)
    }
  }

  deinit {
    fields.deallocate()
    bytes.deallocate()
    rest.deallocate()
  }

  /// nghttp2 has made this of all but the first one.
  func know(_ rest: UnsafeRawBufferPointer, by table: UInt32) {
    self.rest.deallocate()
    self.rest = .allocate(byteCount: rest.count, alignment: 1)
    self.rest.copyMemory(from: rest)
    self.table = table
  }

  /// The same for a peer whose table is not known.
  var literalByteCount: Int {
    fields.dropFirst().reduce(0) { $0 + HPACKLiteral.byteCount($1.namelen, $1.valuelen) }
  }

  func writeLiterals(to start: UnsafeMutableRawPointer) {
    var next = start
    for field in fields.dropFirst() {
      HPACKLiteral.write(
        UnsafeRawBufferPointer(start: field.name, count: field.namelen),
        UnsafeRawBufferPointer(start: field.value, count: field.valuelen), to: &next)
    }
  }
}

/// Header fields that have to be sent: fixed names and values without a copy, the others in one flat buffer. Its memory is
/// used again after `removeAll`.
package struct HeaderList: ~Copyable {
  /// As nghttp2 wants them, but for what is not fixed: there the pointer is an offset into `bytes`, plus one, until
  /// `withEntries`.
  private var entries: UnsafeMutablePointer<nghttp2_nv>?
  private var entryCapacity = 0
  private var count = 0
  /// So many at the beginning are somebody's `KeptHeaders`: they point to nothing of this list's.
  private var keptCount = 0
  /// The first of them, if the list begins with one; alive as long as the session.
  private var head: Unmanaged<KeptHeaders>?
  /// `grpc-timeout` is among the fields; nil: it is no timeout.
  private(set) var timeout: TimeoutText? = TimeoutText()
  private var timeoutCount = 0
  private var bytes: UnsafeMutableRawPointer?
  private var byteCapacity = 0
  private var byteCount = 0
  /// By RFC 9113's count, 6.5.2.
  package private(set) var listByteCount = 0

  package init() {}

  /// A list that begins with these.
  package init(_ fixed: FixedHeaders) {
    for field in fixed.fields { add(field) }
  }

  deinit {
    free(entries)
    free(bytes)
  }

  package var isEmpty: Bool { count == 0 }

  package mutating func removeAll() {
    count = 0
    keptCount = 0
    head = nil
    timeout = TimeoutText()
    timeoutCount = 0
    byteCount = 0
    listByteCount = 0
  }

  package mutating func append(_ kept: KeptHeaders) {
    let end = count + kept.fields.count
    if end > entryCapacity { grow(to: end) }
    guard let entries, let first = kept.fields.baseAddress else { return }
    (entries + count).update(from: first, count: kept.fields.count)
    if count == 0 { head = Unmanaged.passUnretained(kept) }
    if count == keptCount { keptCount = end }
    count = end
    listByteCount += kept.listByteCount
  }

  package mutating func append(_ name: StaticString, _ value: StaticString) {
    add(nghttp2_nv(fixed: name, value))
  }

  package mutating func append(_ name: StaticString, _ value: String) {
    var value = value
    value.withUTF8 { append(name, bytes: UnsafeRawBufferPointer($0)) }
  }

  /// Appends `grpc-timeout`, which is another one each time: it has no place in HPACK's table.
  package mutating func append(timeout: UnsafeRawBufferPointer) {
    append(TimeoutText.name, bytes: timeout)
    entries![count - 1].flags |= UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
    self.timeout = TimeoutText(timeout)
    timeoutCount = 1
  }

  /// The `KeptHeaders` that the list begins with, where nothing but a timeout stands behind them.
  @inline(__always)
  var usualHead: Unmanaged<KeptHeaders>? {
    guard let head, count == head._withUnsafeGuaranteedRef({ $0.fields.count }) + timeoutCount else { return nil }
    return timeout == nil ? nil : head
  }

  package mutating func append(_ name: StaticString, bytes value: UnsafeRawBufferPointer) {
    var field = nghttp2_nv(fixed: name, "")
    field.flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
    (field.value, field.valuelen) = store(value)
    add(field)
  }

  package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    var field = nghttp2_nv()
    (field.name, field.namelen) = store(name)
    (field.value, field.valuelen) = store(value)
    add(field)
  }

  private mutating func add(_ field: nghttp2_nv) {
    if count == entryCapacity { grow(to: count + 1) }
    entries![count] = field
    count += 1
    listByteCount += field.namelen + field.valuelen + HeaderList.fieldByteCount
  }

  private mutating func grow(to count: Int) {
    entryCapacity = max(16, entryCapacity * 2, count)
    entries = realloc(entries, entryCapacity * MemoryLayout<nghttp2_nv>.stride)?
      .assumingMemoryBound(to: nghttp2_nv.self)
    precondition(entries != nil, "no memory for a list of headers")
  }

  /// What each field counts besides its name and value.
  private static let fieldByteCount = 32

  /// By how much the list is larger than a peer takes; nil when it is not.
  package func excess(over limit: Int) -> HeaderExcess? {
    guard listByteCount > limit else { return nil }
    var largest = (name: "", byteCount: 0)
    for index in 0..<count {
      let field = entries![index]
      let size = field.namelen + field.valuelen + HeaderList.fieldByteCount
      guard size > largest.byteCount else { continue }
      largest = (String(decoding: name(of: field), as: UTF8.self), size)
    }
    return HeaderExcess(
      byteCount: listByteCount, limit: limit, largestName: largest.name, largestByteCount: largest.byteCount)
  }

  private func name(of field: nghttp2_nv) -> UnsafeBufferPointer<UInt8> {
    guard field.flags & UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue) == 0 else {
      return UnsafeBufferPointer(start: field.name, count: field.namelen)
    }
    let start = bytes.map { $0.assumingMemoryBound(to: UInt8.self) + (Int(bitPattern: field.name) - 1) }
    return UnsafeBufferPointer(start: start, count: field.namelen)
  }

  private mutating func store(_ source: UnsafeRawBufferPointer) -> (UnsafeMutablePointer<UInt8>?, Int) {
    let offset = byteCount
    if byteCapacity == 0 || byteCapacity - offset < source.count {
      byteCapacity = max(256, byteCapacity * 2, offset + source.count)
      bytes = realloc(bytes, byteCapacity)
      precondition(bytes != nil, "no memory for a list of headers")
    }
    if let start = source.baseAddress { memcpy(bytes! + offset, start, source.count) }
    byteCount += source.count
    return (UnsafeMutablePointer(bitPattern: offset + 1), source.count)
  }

  /// The fields as nghttp2 wants them; it copies what is not fixed. Once for each list.
  mutating func withEntries<Result>(_ body: (UnsafeBufferPointer<nghttp2_nv>) -> Result) -> Result {
    guard let entries else { return body(UnsafeBufferPointer(start: nil, count: 0)) }
    if let start = bytes?.assumingMemoryBound(to: UInt8.self) {
      for index in keptCount..<count {
        let flags = entries[index].flags
        if flags & UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue) == 0 {
          entries[index].name = start + (Int(bitPattern: entries[index].name) - 1)
        }
        if flags & UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue) == 0 {
          entries[index].value = start + (Int(bitPattern: entries[index].value) - 1)
        }
      }
    }
    return body(UnsafeBufferPointer(start: entries, count: count))
  }
}

/// Headers that are larger than the peer takes (RFC 9113, 10.5.1), and which field is most of it. Sizes by 6.5.2.
package struct HeaderExcess: Sendable {
  package let byteCount: Int
  package let limit: Int
  package let largestName: String
  package let largestByteCount: Int
}

extension nghttp2_nv {
  fileprivate init(fixed name: StaticString, _ value: StaticString) {
    self.init(
      name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: value.utf8Start),
      namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
      flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
  }
}
