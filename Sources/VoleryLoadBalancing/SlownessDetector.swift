import Synchronization

/// Finds the servers that are slower than the others *for the same methods*, and has them ejected: a policy's, for its subchannels.
/// Any thread; a lock for one call in eight, and where one is suspected.
///
/// What is compared are unary calls: how long a stream goes on is its client's business. Where all become slow at once, none is
/// slow; never more than half of the servers are ejected so, and the evidence is against the middle one of the others.
final class SlownessDetector: Sendable {
  /// What is known of one method.
  private final class MethodRecord: Sendable {
    /// 0: of none as yet.
    let key = Atomic<Int>(0)
    let limit = Atomic<Int64>(.max)
    let latency = Mutex(MethodLatency())
  }

  /// Methods that are judged; the calls of others, a channel's 65th or one that finds no place, are not.
  private static let methodCount = 64
  /// Places in which a method may stand.
  private static let placeCount = 4
  /// Of so many calls that are in time one counts for the method's limit, once it has one.
  private static let sample: Int64 = 8

  private let methods = (0..<SlownessDetector.methodCount).map { _ in MethodRecord() }
  private let servers = Mutex<[Subchannel]>([])

  /// The servers that calls may go to.
  func use(_ subchannels: [Subchannel]) { servers.withLock { $0 = subchannels } }

  /// A unary call has ended.
  ///
  /// - Parameters:
  ///   - method: A hash of the method's name.
  ///   - nanoseconds: From the pick to the end.
  ///   - wentWell: False where its deadline has passed. What servers fail says nothing here.
  func callEnded(on subchannel: Subchannel, method: Int, nanoseconds: Int64, wentWell: Bool) -> StandingChange? {
    guard let record = record(of: method) else { return nil }
    let limit = record.limit.load(ordering: .relaxed)
    // The last bits of a time are as good as drawn.
    if wentWell, limit == .max || nanoseconds & (SlownessDetector.sample - 1) == 0, !subchannel.slowness.isMarked {
      note(nanoseconds, in: record)
    }
    let isLate = nanoseconds > limit
    guard limit != .max, isLate || wentWell else { return nil }
    switch subchannel.slowness.callEnded(isLate: isLate) {
    case .none: return nil
    case .readmit: return .readmitted
    case .suspect: return judge(subchannel) ? .ejected : nil
    }
  }

  private func note(_ nanoseconds: Int64, in record: MethodRecord) {
    record.latency.withLock { latency in
      latency.record(nanoseconds: nanoseconds)
      if let limit = latency.limit { record.limit.store(limit, ordering: .relaxed) }
    }
  }

  /// Whether it is slow beside the others, and is ejected.
  private func judge(_ suspect: Subchannel) -> Bool {
    servers.withLock { servers in
      let ejected = servers.count { $0.isMarked }
      let others = servers.filter { $0 !== suspect && !$0.isMarked }.map(\.slowness.weight).sorted()
      guard !others.isEmpty, servers.contains(where: { $0 === suspect }), !suspect.isMarked,
        (ejected + 1) * 2 <= servers.count,
        suspect.slowness.weight - others[(others.count - 1) / 2] >= SlownessRecord.limit
      else {
        suspect.slowness.acquit()
        return false
      }
      suspect.slowness.eject()
      return true
    }
  }

  private func record(of method: Int) -> MethodRecord? {
    let key = method == 0 ? 1 : method
    let first = UInt(bitPattern: key)
    for offset in 0..<UInt(SlownessDetector.placeCount) {
      let record = methods[Int((first &+ offset) % UInt(SlownessDetector.methodCount))]
      let found = record.key.load(ordering: .relaxed)
      if found == key { return record }
      guard found == 0 else { continue }
      let (isMine, owner) = record.key.compareExchange(expected: 0, desired: key, ordering: .relaxed)
      if isMine || owner == key { return record }
    }
    return nil
  }
}
