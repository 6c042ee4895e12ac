@testable import VoleryHTTP2Session

/// Hears of the streams that its peer opens, and of nothing else.
protocol StreamsDelegate: HTTP2SessionDelegate {}

extension StreamsDelegate {
  func acceptsAnyValue(of name: UnsafeRawBufferPointer) -> Bool { false }
  func settingsReceived() {}
  func settingsAcknowledged() {}
  func pingReceived(_ opaque: UInt64, isAnswer: Bool) {}
  func goAwayReceived(_ code: HTTP2ErrorCode, lastStreamID: Int32, debugData: String) {}
}

/// Two sessions back to back, without I/O.
final class SessionPair<End: StreamsDelegate> {
  let ends: (client: End, server: End)
  let client: HTTP2Session
  let server: HTTP2Session

  init(client clientEnd: End, server serverEnd: End) {
    ends = (clientEnd, serverEnd)
    client = HTTP2Session(role: .client, settings: HTTP2Settings(), delegate: clientEnd)
    server = HTTP2Session(role: .server, settings: HTTP2Settings(), delegate: serverEnd)
  }

  /// Carries bytes to and fro until neither end has any.
  func exchange() throws {
    var isQuiet = false
    while !isQuiet {
      let (forth, back) = (try carry(client, server), try carry(server, client))
      isQuiet = !forth && !back
    }
  }

  private func carry(_ from: HTTP2Session, _ to: HTTP2Session) throws -> Bool {
    let bytes = from.output()
    try bytes.withUnsafeBytes { try to.feed($0) }
    return !bytes.isEmpty
  }
}

extension HTTP2Session {
  /// What it has to say.
  ///
  /// - Parameter limit: About so many bytes; the rest stays.
  func output(limit: Int = .max) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < limit,
      pull(
        limit: 1 << 16,
        { pieces in
          for piece in pieces { bytes += piece }
          return pieces.reduce(0) { $0 + $1.count }
        })
    {}
    return bytes
  }
}
