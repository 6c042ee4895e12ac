import VoleryTypes

/// `least_request_experimental` as gRFC A48 has it: of so many servers, drawn at random one by one, the first with the fewest calls
/// outstanding. One may be drawn twice: a server that hangs keeps a part of the calls until it is ejected.
final class SampledLeastRequestPicker: Picker {
  private let subchannels: [Subchannel]
  private let choiceCount: Int
  private let random: RandomSequence

  /// - Parameter choiceCount: From 2 to 10.
  init(_ subchannels: [Subchannel], choiceCount: Int, seed: UInt64) {
    self.subchannels = subchannels
    self.choiceCount = choiceCount
    random = RandomSequence(seed: seed)
  }

  func pick(for call: PickRequest) -> PickResult {
    let count = UInt64(subchannels.count)
    var best = subchannels[Int(random.next(below: count))]
    var fewest = best.outstandingCalls
    for _ in 1..<choiceCount {
      let drawn = subchannels[Int(random.next(below: count))]
      let outstanding = drawn.outstandingCalls
      // Ejection is this package's, not the gRFC's: the one that is not ejected wins.
      if drawn.isMarked != best.isMarked ? best.isMarked : outstanding < fewest {
        (best, fewest) = (drawn, outstanding)
      }
    }
    // Drawn twice, or all that were drawn are ejected.
    if best.isEjected, !subchannels.areMostlyEjected {
      return .pick(subchannels.standIn(from: UInt(truncatingIfNeeded: random.next())))
    }
    return .pick(best)
  }
}
