import VoleryPlatform
import VoleryWellKnownTypes

/// A point in time that people read, one machine word: every call keeps some.
package struct WallClockTime: Comparable, Hashable, Sendable {
  /// Since 1970-01-01T00:00:00Z.
  package let nanoseconds: Int64

  package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// What the machine's clock says.
  package static var now: WallClockTime {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return WallClockTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
  }

  package static func < (left: WallClockTime, right: WallClockTime) -> Bool { left.nanoseconds < right.nanoseconds }

  var timestamp: Google_Protobuf_Timestamp {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    return Google_Protobuf_Timestamp(seconds: seconds, nanos: Int32(rest))
  }
}
