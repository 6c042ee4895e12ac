import Synchronization

// What pickers of several servers share.

extension Subchannel {
  /// Who has lost more turns than this is not unlucky but slow, and gets none of them back.
  private static let maxOwedTurns = 8

  func owesTurn(to other: Subchannel) -> Bool {
    let owed = other.standing.owedTurns.load(ordering: .relaxed)
    return owed > 0 && owed < Subchannel.maxOwedTurns && standing.owedTurns.load(ordering: .relaxed) < 0
  }

  func giveTurn(to other: Subchannel) {
    if standing.owedTurns.load(ordering: .relaxed) < Subchannel.maxOwedTurns {
      standing.owedTurns.add(1, ordering: .relaxed)
    }
    if other.standing.owedTurns.load(ordering: .relaxed) > -Subchannel.maxOwedTurns {
      other.standing.owedTurns.subtract(1, ordering: .relaxed)
    }
  }
}

extension [Subchannel] {
  /// More than half have something held against them: then the fault is elsewhere, or leaving them alone would only
  /// overload the rest.
  var areMostlyEjected: Bool {
    reduce(into: 0) { count, subchannel in if subchannel.isMarked { count += 1 } } * 2 > count
  }

  /// The first, starting somewhere, that nothing is held against, and that has room if one has.
  func standIn(from index: UInt) -> Subchannel { self[indexOfStandIn(from: index)] }

  /// The same one's place.
  func indexOfStandIn(from index: UInt) -> Int {
    var found: Int?
    for offset in 1...UInt(count) {
      let place = Int((index &+ offset) % UInt(count))
      guard !self[place].isMarked else { continue }
      if !self[place].isFull { return place }
      found = found ?? place
    }
    return found ?? Int(index % UInt(count))
  }
}

/// SplitMix64's output function: turns a counter into something random enough to draw by, without a lock.
func mix(_ value: UInt64) -> UInt64 {
  var z = value &+ 0x9e37_79b9_7f4a_7c15
  z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
  z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
  return z ^ (z >> 31)
}
