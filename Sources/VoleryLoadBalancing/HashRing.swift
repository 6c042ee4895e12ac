import VoleryPlatform
import VoleryTypes

// For its maths library.

/// Members on a circle of hashes, each as often as its weight says (Ketama, as Envoy and gRFC A42 have it). Without a member only
/// the keys move that were its own.
package struct HashRing: Sendable {
  /// Where a member comes from and how much it wants.
  package struct Place: Hashable, Sendable {
    package let key: String
    package let weight: UInt64

    package init(key: String, weight: UInt64) {
      self.key = key
      self.weight = weight
    }
  }

  /// Ascending.
  package private(set) var hashes: [UInt64] = []
  /// Of each hash: the member's place in the list.
  package private(set) var members: [Int32] = []
  /// Where in `hashes` those begin whose first bits are 0, 1, 2 and so on, and where the last of them end: about as many as there
  /// are hashes, so that a look-up has one or two to compare.
  private var starts: [Int32] = []
  /// By how many bits a hash is shifted for its place in `starts`.
  private var shift: UInt64 = 63

  /// As many hashes for a member as before and after another one is gone, so that then only that one's keys move: 128 for the
  /// lightest, which a power of two fewer have where they would be more than `limit` together.
  ///
  /// - Parameter places: Keys differ; weights are above 0.
  package init(_ places: [Place], limit: Int) {
    guard let least = places.map(\.weight).min() else { return }
    let units = Double(places.reduce(0) { $0 + $1.weight }) / Double(least)
    var count = 128
    while count > 1, Double(count) * units > Double(limit) { count /= 2 }
    let scale = min(Double(count), Double(limit) / units)
    fill(places.map { max(1, Int((scale * Double($0.weight) / Double(least)).rounded())) }, places)
  }

  /// The ring that Envoy and other gRPC clients make of the same places. The number of hashes for each depends on how many members
  /// there are, so that more keys move than those of a member that is gone.
  ///
  /// - Parameters:
  ///   - places: Keys differ; weights are above 0.
  ///   - size: How many hashes there may be. Fewer than the lower bound only where the upper one or rounding says so.
  package init(_ places: [Place], size: ClosedRange<Int>) {
    let sum = Double(places.reduce(0) { $0 + $1.weight })
    guard let least = places.map(\.weight).min(), sum > 0 else { return }
    let smallest = Double(least) / sum
    let scale = min(ceil(smallest * Double(size.lowerBound)) / smallest, Double(size.upperBound))
    var (count, wanted) = (0.0, 0.0)
    let counts = places.map { place in
      wanted += scale * Double(place.weight) / sum
      var own = 0
      while count < wanted {
        own += 1
        count += 1
      }
      return own
    }
    fill(counts, places)
  }

  private mutating func fill(_ counts: [Int], _ places: [Place]) {
    var entries: [(hash: UInt64, member: Int32)] = []
    entries.reserveCapacity(counts.reduce(0, +))
    for (index, place) in places.enumerated() {
      for number in 0..<counts[index] { entries.append((XXHash64.hash("\(place.key)_\(number)"), Int32(index))) }
    }
    entries.sort { ($0.hash, $0.member) < ($1.hash, $1.member) }
    hashes = entries.map(\.hash)
    members = entries.map(\.member)
    makeStarts()
  }

  private mutating func makeStarts() {
    let bits = max(1, Int.bitWidth - hashes.count.leadingZeroBitCount)
    shift = UInt64(64 - bits)
    starts = []
    starts.reserveCapacity(1 << bits + 1)
    var place = 0
    for first in 0..<UInt64(1 << bits) {
      while place < hashes.count, hashes[place] >> shift < first { place += 1 }
      starts.append(Int32(place))
    }
    starts.append(Int32(hashes.count))
  }

  /// The first entry at or after a hash, around the circle; the ring has entries.
  package func index(of hash: UInt64) -> Int {
    let first = Int(truncatingIfNeeded: hash &>> shift)
    var low = Int(starts[first])
    var count = Int(starts[first + 1]) - low
    while count > 0 {
      let half = count / 2
      if hashes[low + half] < hash {
        low += half + 1
        count -= half + 1
      } else {
        count = half
      }
    }
    return low == hashes.count ? 0 : low
  }
}
