public import VoleryWellKnownTypes

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

// Both are Doubles in Foundation: about 0.1 microseconds are the finest that a Date of our days can say.

extension Google_Protobuf_Timestamp {
  /// The same point in time, to the nanosecond that is nearest. A date before the year 1 or after 9999, which no Timestamp can
  /// say, becomes the first or last one that it can; a date that is no number, 1970.
  public init(_ date: Date) {
    // Whole seconds apart, so that their fraction keeps its digits.
    let seconds = date.timeIntervalSinceReferenceDate.rounded(.down)
    let nanos = ((date.timeIntervalSinceReferenceDate - seconds) * 1e9).rounded()
    self.init(wholeSeconds: seconds + Date.timeIntervalBetween1970AndReferenceDate, nanos: nanos)
  }

  /// The point in time so many seconds after 1970-01-01T00:00:00Z, or before; limits as for `init(_: Date)`.
  public init(timeIntervalSince1970 interval: TimeInterval) {
    let seconds = interval.rounded(.down)
    self.init(wholeSeconds: seconds, nanos: ((interval - seconds) * 1e9).rounded())
  }

  private init(wholeSeconds: Double, nanos: Double) {
    guard !wholeSeconds.isNaN else {
      self.init()
      return
    }
    // 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z (google/protobuf/timestamp.proto).
    if wholeSeconds < -62_135_596_800 {
      self.init(seconds: -62_135_596_800)
    } else if wholeSeconds + (nanos < 1e9 ? 0 : 1) > 253_402_300_799 {
      self.init(seconds: 253_402_300_799, nanos: 999_999_999)
    } else {
      self.init(seconds: Int64(wholeSeconds) + (nanos < 1e9 ? 0 : 1), nanos: nanos < 1e9 ? Int32(nanos) : 0)
    }
  }

  /// Seconds since 1970-01-01T00:00:00Z, as a Date's property of this name.
  public var timeIntervalSince1970: TimeInterval { Double(seconds) + Double(nanos) / 1e9 }

  /// The same point in time, as exactly as a Date can say it.
  public var date: Date {
    // Whole seconds first: in one Double with the fraction they would cost it digits twice.
    Date(
      timeIntervalSinceReferenceDate: (Double(seconds) - Date.timeIntervalBetween1970AndReferenceDate) + Double(nanos)
        / 1e9)
  }
}

extension Date {
  /// The same point in time, as exactly as a Date can say it.
  public init(_ timestamp: Google_Protobuf_Timestamp) { self = timestamp.date }
}

extension Google_Protobuf_Duration {
  /// The same length of time, to the nanosecond that is nearest. What is over 315,576,000,000 seconds either way (about 10,000
  /// years), which no Duration can say, becomes that; what is no number, 0.
  public init(timeInterval interval: TimeInterval) {
    guard !interval.isNaN else {
      self.init()
      return
    }
    let bounded = min(max(interval, -315_576_000_000), 315_576_000_000)
    let seconds = bounded.rounded(.towardZero)
    let nanos = ((bounded - seconds) * 1e9).rounded()
    // Both have the same sign, and so has what the fraction carries.
    let carry = abs(nanos) < 1e9 ? 0 : nanos / 1e9
    self.init(seconds: Int64(seconds + carry), nanos: Int32(carry == 0 ? nanos : 0))
  }

  /// Seconds, as Foundation measures lengths of time.
  public var timeInterval: TimeInterval { Double(seconds) + Double(nanos) / 1e9 }
}
