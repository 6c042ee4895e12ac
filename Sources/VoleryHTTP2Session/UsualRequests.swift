import VoleryPlatform
import VoleryPrimitives

/// Request blocks that a client's connection has sent before. What all calls of a method begin with (`KeptHeaders`) comes to the same
/// bytes each time, once HPACK's table has its fields and as long as no block changes the table. nghttp2 is then given the first
/// field only, which is the method and all that it remembers of a request, and the rest stands behind what it makes of that.
///
/// nghttp2 decides when a request goes out. Has another block changed the table by then, the rest goes as literals that need no
/// table (RFC 7541, 6.2.2).
struct UsualRequests {
  /// A request that nghttp2 has been given, and has not sent.
  private struct Request {
    let id: Int32
    let head: Unmanaged<KeptHeaders>
    /// Behind the head.
    let timeout: TimeoutText
    /// nghttp2 has the first field only.
    let isShort: Bool
  }

  /// In the order of their streams: so they are sent, but for those that are reset before.
  private var requests = Queue<Request>()
  /// Counts the changes of HPACK's table.
  private var table: UInt32 = 1
  /// Somebody's fields are known by the table as it is.
  private var isSomethingKnown = false
  /// Requests that nghttp2 has seen the first field of.
  private(set) var repetitionCount = 0
  /// Those of them that found another table than they were submitted by.
  private(set) var literalCount = 0

  /// HPACK's table is not what it was.
  mutating func forget() {
    table &+= 1
    isSomethingKnown = false
  }

  /// Whether nghttp2 needs the first field only.
  @inline(__always)
  func knows(_ request: borrowing HeaderList) -> Bool {
    guard isSomethingKnown, let head = request.usualHead else { return false }
    return head._withUnsafeGuaranteedRef { $0.table == table }
  }

  /// nghttp2 has been given it.
  mutating func submitted(_ request: borrowing HeaderList, for id: Int32, isShort: Bool) {
    guard let head = request.usualHead, let timeout = request.timeout else { return }
    requests.append(Request(id: id, head: head, timeout: timeout, isShort: isShort))
  }

  /// nghttp2 has made this HEADERS frame: it goes out.
  mutating func send(_ frame: UnsafePointer<UInt8>, _ count: Int, to output: inout HTTP2Output) {
    guard let request = take(FrameHeader.streamID(of: frame)) else {
      if isSomethingKnown { note(frame, count, nil) }
      return output.append(frame, count)
    }
    guard request.isShort else {
      note(frame, count, request)
      return output.append(frame, count)
    }
    // More than a byte of the table: there is another size of it.
    if count != FrameHeader.byteCount + 1 || frame[FrameHeader.byteCount] & 0x80 == 0 { forget() }
    repetitionCount &+= 1
    request.head._withUnsafeGuaranteedRef { head in
      let isKnown = head.table == table
      if !isKnown { literalCount &+= 1 }
      let rest = isKnown ? head.rest.count : head.literalByteCount
      let timeout = request.timeout
      let copy = output.append(frame, count, roomBehind: rest + timeout.literalByteCount)
      FrameHeader.setLength(count - FrameHeader.byteCount + rest + timeout.literalByteCount, of: copy)
      if isKnown { memcpy(copy + count, head.rest.baseAddress!, rest) } else { head.writeLiterals(to: copy + count) }
      timeout.writeLiteral(to: copy + count + rest)
    }
  }

  /// Those before it were never sent.
  private mutating func take(_ id: Int32) -> Request? {
    while let first = requests.first, first.id <= id {
      _ = requests.popFirst()
      if first.id == id { return first }
    }
    return nil
  }

  /// Looks at a block that nghttp2 has made of all of its fields: whether it changes the table, and if not what it has made of
  /// the fields that others of its method have, too.
  private mutating func note(_ frame: UnsafePointer<UInt8>, _ count: Int, _ request: Request?) {
    let other = ~(FrameHeader.endHeaders | FrameHeader.endStream)
    guard frame[4] & FrameHeader.endHeaders != 0, frame[4] & other == 0 else { return forget() }
    let block = UnsafeRawBufferPointer(start: frame + FrameHeader.byteCount, count: count - FrameHeader.byteCount)
    let fieldCount = request.map { $0.head._withUnsafeGuaranteedRef { $0.fields.count } } ?? 0
    var (offset, fields, first, last) = (0, 0, 0, 0)
    while offset < block.count {
      guard let end = HPACKScanner.end(of: offset, in: block) else { return forget() }
      offset = end
      fields += 1
      if fields == 1 { first = end }
      if fields == fieldCount { last = end }
    }
    guard let request, last > first else { return }
    request.head._withUnsafeGuaranteedRef { head in
      guard head.listByteCount <= UsualRequests.maxByteCount else { return }
      head.know(UnsafeRawBufferPointer(rebasing: block[first..<last]), by: table)
      isSomethingKnown = true
    }
  }

  /// By RFC 9113's count, so that literals have room in a frame.
  private static let maxByteCount = 4096
}

/// The value of a request's `grpc-timeout`; empty: it has none.
struct TimeoutText {
  private var digits: (UInt64, UInt64) = (0, 0)
  private var count = 0
  static let name: StaticString = "grpc-timeout"

  init() {}

  /// Nil: it is longer than any that gRPC has.
  init?(_ text: UnsafeRawBufferPointer) {
    guard text.count <= 16 else { return nil }
    count = text.count
    withUnsafeMutableBytes(of: &digits) { $0.copyMemory(from: text) }
  }

  var literalByteCount: Int { count == 0 ? 0 : HPACKLiteral.byteCount(TimeoutText.name.utf8CodeUnitCount, count) }

  func writeLiteral(to start: UnsafeMutableRawPointer) {
    guard count > 0 else { return }
    let name = UnsafeRawBufferPointer(start: TimeoutText.name.utf8Start, count: TimeoutText.name.utf8CodeUnitCount)
    withUnsafeBytes(of: digits) { bytes in
      var next = start
      HPACKLiteral.write(name, UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), to: &next)
    }
  }
}
