import Synchronization
import VoleryTypes

/// Finds a connection's record by the peer of its calls. Any thread: it is in parts, so that event loops seldom meet at a lock.
final class ConnectionTable: Sendable {
  private final class Part: Sendable {
    let records = Mutex<[ObjectIdentifier: SocketRecord]>([:])
  }

  private static let partCount = 16
  private let parts = (0..<ConnectionTable.partCount).map { _ in Part() }

  private func part(of key: ObjectIdentifier) -> Part {
    // Objects lie 16 bytes apart, and those of one size at greater distances.
    let address = UInt(bitPattern: key)
    return parts[Int(truncatingIfNeeded: (address >> 4) ^ (address >> 9)) & (ConnectionTable.partCount - 1)]
  }

  subscript(peer: Peer) -> SocketRecord? {
    let key = peer.connection
    return part(of: key).records.withLock { $0[key] }
  }

  /// The record keeps the peer, so that no other connection's has its name meanwhile.
  func insert(_ record: SocketRecord) {
    guard let key = record.peer?.connection else { return }
    part(of: key).records.withLock { $0[key] = record }
  }

  func remove(_ record: SocketRecord) {
    guard let key = record.peer?.connection else { return }
    part(of: key).records.withLock { $0[key] = nil }
  }

  var count: Int { parts.reduce(0) { $0 + $1.records.withLock { $0.count } } }
}
