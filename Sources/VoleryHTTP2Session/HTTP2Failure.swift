import CNGHTTP2

/// Why a connection can't go on.
package struct HTTP2Failure: Error, Sendable, CustomStringConvertible {
  package let description: String
  /// Headers were too large to be sent; nothing is wrong with the connection.
  package let excess: HeaderExcess?

  init(code: Int32) {
    excess = nil
    switch code {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: description = "the peer does not speak HTTP/2 (wrong preface)"
    case NGHTTP2_ERR_FLOODED.rawValue: description = "the peer floods the connection with frames that want an answer"
    default: description = String(cString: nghttp2_strerror(code))
    }
  }
}

extension HTTP2Failure {
  /// The connection takes no more streams.
  package static let goingAway = HTTP2Failure(description: "the connection is going away")

  package static let endlessHeaders = HTTP2Failure(description: "the peer sends headers without an end")

  private init(description: String) {
    self.description = description
    excess = nil
  }

  init(_ excess: HeaderExcess) {
    self.excess = excess
    description = "\(excess.byteCount) bytes of headers are over the peer's limit of \(excess.limit)"
  }
}
