/// How long a method's calls take as a rule, and when one is late: longer than nine of ten, three times longer than half of them,
/// and 5 ms longer than that half, all at once. So a method whose times vary much has a high limit, one of always the same a low
/// one, and what a longer way to the server costs is not lateness. A value; the last few hundred calls count.
struct MethodLatency {
  /// Two to each doubling of a microsecond; the last one is over an hour.
  private static let bucketCount = 64
  /// Before so many calls nothing is late.
  static let fewestCalls = 30
  /// Where the weight of what has been is halved.
  private static let mostCalls = 512
  /// What networks within a region differ by is well below this.
  private static let leastDelay = 5_000.0

  private var counts: [UInt16] = []
  private var total = 0

  /// - Parameter nanoseconds: From the pick to the end of a call that went well.
  mutating func record(nanoseconds: Int64) {
    if counts.isEmpty { counts = Array(repeating: 0, count: MethodLatency.bucketCount) }
    counts[MethodLatency.bucket(of: nanoseconds)] += 1
    total += 1
    guard total >= MethodLatency.mostCalls else { return }
    for index in counts.indices { counts[index] /= 2 }
    total = counts.reduce(0) { $0 + Int($1) }
  }

  /// Finding the limit costs more than a call's record: once many are known, a few more of them hardly move it.
  var mayHaveMoved: Bool { total < 2 * MethodLatency.fewestCalls || total.isMultiple(of: 8) }

  /// In nanoseconds; a call that takes longer is late. Nil: too few are known.
  var limit: Int64? {
    guard total >= MethodLatency.fewestCalls else { return nil }
    let (median, most) = (bucket(at: 0.5), bucket(at: 0.9))
    let middle = (MethodLatency.lowerBound(of: median) + MethodLatency.lowerBound(of: median + 1)) / 2
    let late = max(
      MethodLatency.lowerBound(of: most + 1), 3 * middle,
      MethodLatency.lowerBound(of: median + 1) + MethodLatency.leastDelay)
    return Int64(late * 1000)
  }

  /// The bucket below whose end so much of all calls is.
  private func bucket(at share: Double) -> Int {
    var left = Double(total) * share
    for (index, count) in counts.enumerated() {
      left -= Double(count)
      if left <= 0 { return index }
    }
    return counts.count - 1
  }

  private static func bucket(of nanoseconds: Int64) -> Int {
    let microseconds = UInt64(max(nanoseconds / 1000, 1))
    let power = 63 - microseconds.leadingZeroBitCount
    let isUpperHalf = power > 0 && microseconds >> UInt64(power - 1) & 1 == 1
    return min(2 * power + (isUpperHalf ? 1 : 0), bucketCount - 1)
  }

  /// In microseconds.
  private static func lowerBound(of bucket: Int) -> Double {
    let power = Double(UInt64(1) << UInt64(min(bucket / 2, 62)))
    return bucket.isMultiple(of: 2) ? power : power * 1.5
  }
}
