import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// A response's header block or its trailers (doc/PROTOCOL-HTTP2.md, Responses). Looked at once, and valid as long as the block:
/// no string is made, or let go of, that nobody asks for.
struct ResponseHeaders: ~Copyable {
  var httpStatus: Int?
  var isGRPC = false
  var metadata = Metadata()
  /// In words, by how much the block is larger than this end takes; what came after the limit is not here.
  var excess: String?
  private var statusNumber: Int?
  // Point into the block.
  private var type: UnsafeRawBufferPointer?
  private var encoding: UnsafeRawBufferPointer?
  private var encodedMessage: UnsafeRawBufferPointer?

  init(_ block: borrowing HeaderBlock) {
    withUnsafeTemporaryAllocation(byteCount: block.byteCount, alignment: 4) { memory in
      var plainFields = PlainFields(in: memory)
      var offset = 0
      while let field = block.next(&offset) { read(field, &plainFields) }
      plainFields.move(to: &metadata)
    }
    if block.isTooLarge { excess = block.excess(of: "the client") }
  }

  var hasStatus: Bool { statusNumber != nil }

  /// An answer of gRPC's begins, and all there is to know of it is its metadata.
  var beginsAsUsual: Bool { httpStatus == 200 && isGRPC && encoding == nil && !hasStatus && hasNoMore }

  /// It has ended with OK, and the same.
  var endsAsUsual: Bool { statusNumber == 0 && httpStatus == nil && hasNoMore }

  private var hasNoMore: Bool { encodedMessage?.isEmpty != false && excess == nil }

  var contentType: String? { type?.text }
  var messageEncoding: String? { encoding?.text }

  /// The status that the block carries; nil when it has none.
  var status: Status? {
    guard let statusNumber else { return nil }
    let message = encodedMessage.map { PercentEncoding.decode($0) } ?? ""
    return Status(code: StatusCode(rawValue: statusNumber) ?? .unknown, message: message)
  }

  private mutating func read(_ field: HeaderField, _ plainFields: inout PlainFields) {
    let (name, value) = (field.name, field.value.trimmed)
    if name.equals(":status") {
      httpStatus = value.equals("200") ? 200 : value.digits
    } else if name.equals("grpc-status") {
      statusNumber = value.equals("0") ? 0 : value.digits ?? -1
    } else if name.equals("grpc-message") {
      // With the spaces at its ends that others send.
      encodedMessage = field.value
    } else if name.equals("content-type") {
      isGRPC = value.starts(with: "application/grpc") && !value.starts(with: "application/grpc-")
      type = value
    } else if name.equals("grpc-encoding") {
      encoding = value
    } else {
      // A value that is not base64 is dropped: the call's outcome matters more.
      _ = MetadataCoding.add(field, to: &metadata, &plainFields)
    }
  }
}

// What most responses begin and end with.
extension FixedHeaders {
  static let plainResponse = FixedHeaders([(":status", "200"), ("content-type", "application/grpc")])
  static let protoResponse = FixedHeaders([(":status", "200"), ("content-type", "application/grpc+proto")])
  /// For the subtype of a request's content-type; nil: the response's is none of these.
  static func response(_ contentSubtype: String?) -> FixedHeaders? {
    switch contentSubtype {
    case nil: plainResponse
    case "proto": protoResponse
    default: nil
    }
  }

  static let okTrailers = FixedHeaders([("grpc-status", "0")])
}
