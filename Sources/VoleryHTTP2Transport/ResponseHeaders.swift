import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// A response's header block or its trailers (doc/PROTOCOL-HTTP2.md, Responses). Looked at once: a copy would count the
/// references of each field.
struct ResponseHeaders: ~Copyable {
  var httpStatus: Int?
  var isGRPC = false
  var contentType: String?
  var messageEncoding: String?
  var metadata = Metadata()
  /// In words, by how much the block is larger than this end takes; what came after the limit is not here.
  var excess: String?
  private var statusNumber: Int?
  private var message = ""

  init(_ block: borrowing HeaderBlock) {
    withUnsafeTemporaryAllocation(byteCount: block.byteCount, alignment: 4) { memory in
      var plainFields = PlainFields(in: memory)
      var offset = 0
      while let field = block.next(&offset) { read(field, &plainFields) }
      plainFields.move(to: &metadata)
    }
    if block.isTooLarge { excess = block.excess(of: "the client") }
  }

  /// The status that the block carries; nil when it has none.
  var status: Status? {
    statusNumber.map { Status(code: StatusCode(rawValue: $0) ?? .unknown, message: message) }
  }

  private mutating func read(_ field: HeaderField, _ plainFields: inout PlainFields) {
    let (name, value) = (field.name, field.value.trimmed)
    if name.equals(":status") {
      httpStatus = value.equals("200") ? 200 : value.digits
    } else if name.equals("grpc-status") {
      statusNumber = value.equals("0") ? 0 : value.digits ?? -1
    } else if name.equals("grpc-message") {
      // With the spaces at its ends that others send.
      message = PercentEncoding.decode(field.value)
    } else if name.equals("content-type") {
      isGRPC = value.starts(with: "application/grpc") && !value.starts(with: "application/grpc-")
      // The usual one without making a string of it.
      contentType = value.equals("application/grpc") ? "application/grpc" : value.text
    } else if name.equals("grpc-encoding") {
      messageEncoding = value.text
    } else {
      // A value that is not base64 is dropped: the call's outcome matters more.
      _ = MetadataCoding.add(field, to: &metadata, &plainFields)
    }
  }
}
