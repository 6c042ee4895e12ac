import Glibc

/// Both sides of a case, measured in rounds that alternate, so that what else the machine does hits both alike. Time is the
/// thread's CPU time.
struct Measurement {
  /// Nanoseconds for one, the median of the rounds.
  let volery: Double
  let swiftProtobuf: Double
  /// volery / swiftProtobuf of each round, sorted.
  let ratios: [Double]

  init(_ one: Case, rounds: Int, roundSeconds: Double) throws {
    let times = try Self.times(one, roundSeconds)
    var volery: [Double] = []
    var swiftProtobuf: [Double] = []
    for round in 0..<rounds {
      // The order alternates as well.
      if round.isMultiple(of: 2) {
        volery.append(try Self.nanoseconds(one.volery, times.volery))
        swiftProtobuf.append(try Self.nanoseconds(one.swiftProtobuf, times.swiftProtobuf))
      } else {
        swiftProtobuf.append(try Self.nanoseconds(one.swiftProtobuf, times.swiftProtobuf))
        volery.append(try Self.nanoseconds(one.volery, times.volery))
      }
    }
    self.volery = volery.sorted()[rounds / 2]
    self.swiftProtobuf = swiftProtobuf.sorted()[rounds / 2]
    ratios = zip(volery, swiftProtobuf).map { $0 / $1 }.sorted()
  }

  func ratio(at quantile: Double) -> Double { ratios[Int(Double(ratios.count - 1) * quantile)] }

  /// How often each side is done in a round of so many seconds; finding that out warms up caches and tables.
  private static func times(_ one: Case, _ seconds: Double) throws -> (volery: Int, swiftProtobuf: Int) {
    func count(_ run: (Int) throws -> Void) throws -> Int {
      var times = 1
      while true {
        let spent = try nanoseconds(run, times) * Double(times) / 1e9
        if spent > seconds / 4 { return max(1, Int(Double(times) * seconds / spent)) }
        times *= 2
      }
    }
    return (try count(one.volery), try count(one.swiftProtobuf))
  }

  private static func nanoseconds(_ run: (Int) throws -> Void, _ times: Int) throws -> Double {
    let start = threadTime()
    try run(times)
    return (threadTime() - start) / Double(times)
  }

  private static func threadTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}
