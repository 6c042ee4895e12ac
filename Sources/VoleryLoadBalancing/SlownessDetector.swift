import Synchronization

/// Finds the servers that are slower than the others *for the same methods*, and has them ejected: a policy's, for its subchannels.
/// Any thread; a lock for one call in eight, and where one is suspected.
///
/// What is compared are unary calls: how long a stream goes on is its client's business. Where all become slow at once, none is
/// slow; never more than half of the servers are ejected so, and the evidence is against the middle one of the others.
final class SlownessDetector: Sendable {
  /// Of so many calls that are in time one counts for the method's limit, once it has one.
  private static let sample: Int64 = 8

  let methods = MethodRecords()
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
    guard let record = methods[method] else { return nil }
    let limit = record.limit.load(ordering: .relaxed)
    // The last bits of a time are as good as drawn.
    if wentWell, limit == .max || nanoseconds & (SlownessDetector.sample - 1) == 0, !subchannel.slowness.isMarked {
      record.note(nanoseconds)
    }
    let isLate = nanoseconds > limit
    guard limit != .max, isLate || wentWell else { return nil }
    switch subchannel.slowness.callEnded(isLate: isLate) {
    case .none: return nil
    case .readmit: return .readmitted
    case .suspect: return judge(subchannel) ? .ejected : nil
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
}
