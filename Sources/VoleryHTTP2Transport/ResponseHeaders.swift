import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// A response's header block or its trailers (doc/PROTOCOL-HTTP2.md, Responses).
struct ResponseHeaders {
  var httpStatus: Int?
  var isGRPC = false
  var contentType: String?
  var messageEncoding: String?
  var metadata = Metadata()
  var isTooLarge = false
  private var statusNumber: Int?
  private var message = ""

  init(_ block: borrowing HeaderBlock) {
    block.forEach { name, value in read(name, value) }
    isTooLarge = block.isTooLarge
  }

  /// The status that the block carries; nil when it has none.
  var status: Status? {
    statusNumber.map { Status(code: StatusCode(rawValue: $0) ?? .unknown, message: message) }
  }

  private mutating func read(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if name.equals(":status") {
      httpStatus = Int(value.text)
    } else if name.equals("grpc-status") {
      statusNumber = Int(value.text) ?? -1
    } else if name.equals("grpc-message") {
      message = PercentEncoding.decode(value)
    } else if name.equals("content-type") {
      contentType = value.text
      isGRPC = value.starts(with: "application/grpc") && !value.starts(with: "application/grpc-")
    } else if name.equals("grpc-encoding") {
      messageEncoding = value.text
    } else {
      // A value that is not base64 is dropped: the call's outcome matters more.
      _ = MetadataCoding.add(name, value, to: &metadata)
    }
  }
}
