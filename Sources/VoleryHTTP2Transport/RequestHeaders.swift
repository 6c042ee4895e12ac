import VoleryHTTP2Session
import VoleryPlatform
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// A request's header block, checked (doc/PROTOCOL-HTTP2.md, Requests). Valid as long as the block.
struct RequestHeaders: ~Copyable {
  enum Refusal {
    /// Not gRPC at all: answered with this HTTP status.
    case http(StaticString)
    /// gRPC, but wrong: answered with this status.
    case grpc(Status)
  }

  /// Points into the block.
  var path = UnsafeRawBufferPointer(start: nil, count: 0)
  var head = ServerRequestHead()
  var refusal: Refusal?
  private var isPost = false
  private var isGRPC = false
  private var hasContentType = false
  /// Of the field that is being read.
  private var place = 0
  private var pathPlace: Int?
  private var timeoutPlace: Int?
  private var timeoutCount = 0

  /// - Parameter memo: The connection's, which is told of a request that is taken.
  init(_ block: borrowing HeaderBlock, _ memo: RequestMemo) {
    readAll(block, memo)
    if refusal == nil, let pathPlace, timeoutCount <= 1 {
      memo.keep(head, of: block.number, pathPlace: pathPlace, timeoutPlace: timeoutPlace)
    } else {
      memo.forget()
    }
  }

  private mutating func readAll(_ block: borrowing HeaderBlock, _ memo: RequestMemo) {
    withUnsafeTemporaryAllocation(byteCount: block.byteCount, alignment: 4) { memory in
      var plainFields = PlainFields(in: memory)
      var offset = 0
      while let field = block.next(&offset) {
        read(field, memo, &plainFields)
        place += 1
      }
      plainFields.move(to: &head.metadata)
    }
    if !isPost {
      refusal = .http("405")
    } else if block.isTooLarge, isGRPC || !hasContentType {
      // What came after the limit is not here, the content-type perhaps.
      let text = "the request's metadata \(block.excess(of: "the server") ?? "is too large")"
      refusal = .grpc(Status(code: .resourceExhausted, message: text))
    } else if !isGRPC {
      refusal = .http("415")
    }
    // A request without `te: trailers` is taken, as grpc-go and grpc-java take it: what strips `te` on the way, a header of
    // one hop, need not strip trailers.
  }

  private mutating func read(_ field: HeaderField, _ memo: RequestMemo, _ plainFields: inout PlainFields) {
    let name = field.name
    switch name.first {
    case UInt8(ascii: ":"): readPseudo(name, field.value, memo)
    case UInt8(ascii: "g") where name.starts(with: "grpc-"): readReserved(field, &plainFields)
    case UInt8(ascii: "c") where name.equals("content-type"): readContentType(field.value.trimmed)
    case UInt8(ascii: "t") where name.equals("te"): break
    case UInt8(ascii: "h") where name.equals("host"):
      if head.authority.isEmpty { head.authority = field.value.text }
    default: readMetadata(field, &plainFields)
    }
  }

  private mutating func readPseudo(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ memo: RequestMemo
  ) {
    if name.equals(":path") {
      path = value
      pathPlace = place
    } else if name.equals(":method") {
      isPost = value.equals("POST")
    } else if name.equals(":authority") {
      head.authority = memo.authority(value)
    }
  }

  private mutating func readContentType(_ value: UnsafeRawBufferPointer) {
    hasContentType = true
    guard value.starts(with: "application/grpc") else { return }
    let rest = value.dropFirst("application/grpc".utf8.count)
    guard let separator = rest.first else {
      isGRPC = true
      return
    }
    // "application/grpc-web" and the like are something else.
    isGRPC = separator == UInt8(ascii: "+") || separator == UInt8(ascii: ";")
    if separator == UInt8(ascii: "+") {
      head.contentSubtype = String(decoding: rest.dropFirst().prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
    }
  }

  private mutating func readReserved(_ field: HeaderField, _ plainFields: inout PlainFields) {
    let (name, value) = (field.name, field.value.trimmed)
    if name.equals("grpc-timeout") {
      timeoutPlace = place
      timeoutCount += 1
      head.timeout = Timeout.parse(value)
      if head.timeout == nil {
        refusal = .grpc(
          Status(code: .internal, message: "malformed grpc-timeout: \(String(foreign: value.text, limit: 20))"))
      }
    } else if name.equals("grpc-encoding") {
      head.messageEncoding = value.text
    } else if name.equals("grpc-accept-encoding") {
      head.acceptedEncodings = CompressionSet(value)
    } else if !name.equals("grpc-status"), !name.equals("grpc-message") {
      readMetadata(field, &plainFields)  // grpc-trace-bin, grpc-previous-rpc-attempts and what comes later.
    }
  }

  private mutating func readMetadata(_ field: HeaderField, _ plainFields: inout PlainFields) {
    if !MetadataCoding.add(field, to: &head.metadata, &plainFields) {
      refusal = .grpc(
        Status(code: .internal, message: "the value of '\(String(foreign: field.name.text))' is not base64"))
    }
  }
}
