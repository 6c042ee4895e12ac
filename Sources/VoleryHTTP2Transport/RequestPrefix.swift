import VoleryHTTP2Session
import VoleryTransport
import VoleryTypes

/// The header fields that all calls of a method have in common on a connection, ready to be sent.
///
/// A class: nobody who looks for one counts the references of its strings.
private final class RequestPrefix {
  let path: String
  let authority: String
  let contentSubtype: String?
  let acceptedEncodings: String?
  let isForwarded: Bool
  let fields: KeptHeaders

  init(_ head: borrowing ClientRequestHead, _ fields: KeptHeaders) {
    path = head.path
    authority = head.authority
    contentSubtype = head.contentSubtype
    acceptedEncodings = head.acceptedEncodings
    isForwarded = head.isForwarded
    self.fields = fields
  }

  /// Strings that are the same have the same storage as a rule, which is compared first.
  func isFor(_ head: borrowing ClientRequestHead) -> Bool {
    path == head.path && authority == head.authority && contentSubtype == head.contentSubtype
      && isForwarded == head.isForwarded && (isForwarded || acceptedEncodings == head.acceptedEncodings)
  }
}

/// The beginnings of a connection's requests, made once for each method and kept as long as the connection: nghttp2 points
/// to them while requests wait. A program has few methods; one that has many (a proxy) pays for those beyond the limit with
/// every call.
struct RequestPrefixes {
  private let isSecure: Bool
  private let userAgent: String
  private var prefixes: [RequestPrefix] = []
  private static let limit = 32

  init(isSecure: Bool, userAgent: String) {
    self.isSecure = isSecure
    self.userAgent = RequestPrefixes.sendable(userAgent)
  }

  /// What a server would refuse each call for, were it in a header's value: other bytes than printable ASCII, spaces at the
  /// ends.
  private static func sendable(_ text: String) -> String {
    let bytes = text.utf8.map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
    return bytes.withUnsafeBytes { String(decoding: $0.trimmed, as: UTF8.self) }
  }

  /// Appends what calls like this one begin with.
  mutating func append(_ head: borrowing ClientRequestHead, to headers: inout HeaderList) {
    for index in prefixes.indices where prefixes[index].isFor(head) { return headers.append(prefixes[index].fields) }
    guard prefixes.count < RequestPrefixes.limit else { return build(head, &headers) }
    var list = HeaderList()
    build(head, &list)
    let fields = KeptHeaders(list)
    prefixes.append(RequestPrefix(head, fields))
    headers.append(fields)
  }

  /// doc/PROTOCOL-HTTP2.md, Requests.
  private func build(_ head: borrowing ClientRequestHead, _ headers: inout HeaderList) {
    headers.append(":method", "POST")
    if isSecure { headers.append(":scheme", "https") } else { headers.append(":scheme", "http") }
    headers.append(":path", head.path)
    headers.append(":authority", head.authority)
    headers.append("te", "trailers")
    switch head.contentSubtype {
    case nil: headers.append("content-type", "application/grpc")
    case "proto": headers.append("content-type", "application/grpc+proto")
    case let subtype?: headers.append("content-type", "application/grpc+\(subtype)")
    }
    guard !head.isForwarded else { return }
    // A forwarded call has its own among its metadata, and what it accepts is its client's word.
    headers.append("user-agent", userAgent)
    if let encodings = head.acceptedEncodings { headers.append("grpc-accept-encoding", encodings) }
  }
}
