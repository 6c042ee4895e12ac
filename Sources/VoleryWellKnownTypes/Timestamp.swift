import VoleryPlatform
import VoleryProtobuf

extension Google_Protobuf_Timestamp {
  /// What the machine's clock says.
  public static var now: Google_Protobuf_Timestamp {
    // Two words, read as such: in an optimised build Swift takes the members of timespec for those of a module of its own
    // that can't be imported.
    withUnsafeTemporaryAllocation(of: timespec.self, capacity: 1) { time in
      clock_gettime(CLOCK_REALTIME, time.baseAddress!)
      let words = UnsafeRawBufferPointer(time)
      return Google_Protobuf_Timestamp(
        seconds: Int64(words.load(as: Int.self)),
        nanos: Int32(words.load(fromByteOffset: MemoryLayout<Int>.size, as: Int.self)))
    }
  }

  /// The point in time so long after 1970-01-01T00:00:00Z, or before; what is less than a nanosecond is cut off downwards.
  public init(durationSince1970: Duration) {
    let (seconds, attoseconds) = durationSince1970.components
    let nanos = (attoseconds / 1_000_000_000, attoseconds % 1_000_000_000)
    let floor = nanos.0 - (nanos.1 < 0 ? 1 : 0)
    self.init(
      seconds: floor < 0 ? seconds - 1 : seconds, nanos: Int32(floor < 0 ? floor + 1_000_000_000 : floor))
  }

  /// How long after 1970-01-01T00:00:00Z it is; negative before.
  public var durationSince1970: Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }

  /// Reads RFC 3339, such as `2006-01-02T15:04:05.5Z` or with an offset from UTC; nil for anything else and for years
  /// that are not 1 to 9999.
  public init?(rfc3339 text: String) {
    guard let time = TimeText(timestamp: text) else { return nil }
    self.init(seconds: time.seconds, nanos: time.nanos)
  }

  /// RFC 3339 in UTC with 0, 3, 6 or 9 digits of the second; nil when the timestamp is not valid.
  public var rfc3339: String? { TimeText(seconds: seconds, nanos: nanos).timestamp }

  /// Whether it is between the years 1 and 9999 and has nanos from 0 to 999,999,999, as JSON and all peers expect.
  public var isValid: Bool { rfc3339 != nil }

  /// The point in time so much later, or earlier where the duration is negative; what is less than a nanosecond is cut off
  /// downwards.
  public static func + (time: Google_Protobuf_Timestamp, duration: Duration) -> Google_Protobuf_Timestamp {
    Google_Protobuf_Timestamp(durationSince1970: time.durationSince1970 + duration)
  }

  /// The point in time so much earlier, or later where the duration is negative; what is less than a nanosecond is cut off
  /// downwards.
  public static func - (time: Google_Protobuf_Timestamp, duration: Duration) -> Google_Protobuf_Timestamp {
    Google_Protobuf_Timestamp(durationSince1970: time.durationSince1970 - duration)
  }

  /// How long after the right one the left one is; negative when it is before.
  public static func - (left: Google_Protobuf_Timestamp, right: Google_Protobuf_Timestamp) -> Duration {
    left.durationSince1970 - right.durationSince1970
  }
}

extension Google_Protobuf_Timestamp: Comparable {
  /// True when `left` is the earlier one; both have to be valid.
  public static func < (left: Google_Protobuf_Timestamp, right: Google_Protobuf_Timestamp) -> Bool {
    (left.seconds, left.nanos) < (right.seconds, right.nanos)
  }
}
