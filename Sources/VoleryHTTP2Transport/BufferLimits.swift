import Synchronization
import VoleryEventLoops

/// How many bytes of messages the connections of a server, or of a channel, have waiting together: received and taken by
/// nobody yet, or queued and not taken by the peer. Any thread; a connection tells in steps, so that small calls never come here.
package final class BufferQuota: Sendable {
  package let limit: Int
  private let total = Atomic<Int>(0)

  package init(limit: Int) { self.limit = limit }

  /// What waits now, but for less than a step of each connection.
  package var byteCount: Int { total.load(ordering: .relaxed) }

  package func change(by byteCount: Int) { total.add(byteCount, ordering: .relaxed) }

  /// Over the first mark, half of the limit: connections take in no more than they need to get on.
  package var isTight: Bool { byteCount > limit / 2 }

  /// Over the limit: new calls are refused.
  package var isFull: Bool { byteCount > limit }
}

/// How many bytes of messages may wait for those who take them.
package struct BufferLimits: Sendable {
  /// On one connection.
  package var connectionLimit = 64 << 20
  /// On all connections of the server or the channel.
  package var shared = BufferQuota(limit: .max)

  package init() {}

  /// - Parameters:
  ///   - connectionLimit: At least 256 KiB.
  ///   - sharedLimit: At least 1 MiB. Nil: a quarter of the memory that there is, and at least 64 MiB.
  package init(connectionLimit: Int, sharedLimit: Int?) {
    self.connectionLimit = max(connectionLimit, 256 << 10)
    shared = BufferQuota(limit: sharedLimit.map { max($0, 1 << 20) } ?? max(64 << 20, AvailableMemory.byteCount / 4))
  }

  /// A connection tells its changes in steps of at least this many bytes.
  static let step = 64 << 10
  /// A connection that has less than this waiting is not to blame for what all of them have.
  static let share = 256 << 10

  /// What a connection may have received and not handed on, or queued, before it is slowed down.
  var mark: Int { shared.isTight ? min(BufferLimits.share, connectionLimit / 2) : connectionLimit / 2 }

  /// What a peer may have under way on streams of which nothing is known yet when it is slowed down.
  static let underWay = 16 << 20

  /// What streams may be let through at once while the peer is slowed down.
  var allowance: Int { connectionLimit / 8 }
}

/// A connection's part in that. On its loop.
struct BufferAccount {
  let limits: BufferLimits
  var pacing = ReceivePacing()
  /// What the quota has been told.
  var toldByteCount = 0
  /// What has come and gone since `FreedMemory` was told.
  var movedByteCount = 0
  var timer: LoopTimer?
  /// Something waits for the peer to take what is queued.
  var isPeerAwaited = false
  /// So many seconds are left for what was under way when the peer was slowed down.
  var patience = 0
  /// What the peer may have under way until it has heard of that: what it had been allowed. It can't know better, and a proxy
  /// hands on at once whatever it may (Envoy 1.40 has all of it in its own output).
  var underWay = 0
  static let patience = 5
  /// What is left to come of messages that were let through, when it was looked at last.
  var outstandingBefore: Int?

  init(_ limits: BufferLimits) { self.limits = limits }

  var limit: Int { limits.connectionLimit + (patience > 0 ? underWay : 0) }
}
