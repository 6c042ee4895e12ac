import VoleryClient
import VoleryTypes

/// What the last requests of some connections have come to: a request that says the same goes on with the same fields, which nobody
/// makes again.
struct FieldsMemo: Sendable {
  private struct Entry: Sendable {
    /// Held, so that its connection's name stays its own.
    let peer: Peer
    let likeness: Int
    let fields: ForwardedFields
  }

  private var entries = [Entry?](repeating: nil, count: 64)
  /// What is larger is made again for each request.
  static let mostBytes = 2 << 10

  /// Nil: they have to be made.
  func fields(of peer: Peer, _ likeness: Int) -> ForwardedFields? {
    guard let entry = entries[FieldsMemo.index(of: peer)], entry.likeness == likeness,
      entry.peer.connection == peer.connection
    else { return nil }
    return entry.fields
  }

  /// - Parameter likeness: Of the request that they were made for, on the connection of this peer.
  mutating func keep(_ fields: ForwardedFields, of peer: Peer, _ likeness: Int) {
    guard fields.byteCount <= FieldsMemo.mostBytes else { return }
    entries[FieldsMemo.index(of: peer)] = Entry(peer: peer, likeness: likeness, fields: fields)
  }

  /// Objects lie at least 16 bytes apart.
  private static func index(of peer: Peer) -> Int {
    let place = UInt(bitPattern: peer.connection)
    return Int((place >> 4 ^ place >> 10) & 63)
  }
}

extension ForwardedFields {
  fileprivate var byteCount: Int {
    let texts = [authority, contentSubtype ?? "", messageEncoding ?? "", acceptedEncodings ?? ""]
    return texts.reduce(metadata.byteCount) { $0 + $1.utf8.count }
  }
}
