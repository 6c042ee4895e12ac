/// A `grpc-timeout` value: 1 to 8 digits and a unit (doc/PROTOCOL-HTTP2.md, Timeout).
package enum Timeout {
  /// The duration that the header's bytes stand for; nil when they are not a timeout.
  package static func parse(_ bytes: UnsafeRawBufferPointer) -> Duration? {
    guard (2...9).contains(bytes.count) else { return nil }
    var digits: Int64 = 0
    for byte in bytes.dropLast() {
      guard byte &- 0x30 < 10 else { return nil }
      digits = digits * 10 + Int64(byte - 0x30)
    }
    switch bytes[bytes.count - 1] {
    case UInt8(ascii: "H"): return .seconds(digits * 3600)
    case UInt8(ascii: "M"): return .seconds(digits * 60)
    case UInt8(ascii: "S"): return .seconds(digits)
    case UInt8(ascii: "m"): return .milliseconds(digits)
    case UInt8(ascii: "u"): return .microseconds(digits)
    case UInt8(ascii: "n"): return .nanoseconds(digits)
    default: return nil
    }
  }

  /// The header's text: the finest unit in which the value has at most 8 digits, rounded up so that a call never has
  /// less time than its caller gave. Zero and less become "1n": the call starts and is over.
  package static func text(_ timeout: Duration) -> String {
    withText(timeout) { String(decoding: $0, as: UTF8.self) }
  }

  /// The same without a string; the bytes are valid during the call.
  package static func withText<Result>(_ timeout: Duration, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let (value, unit) = valueAndUnit(timeout)
    return withUnsafeTemporaryAllocation(byteCount: 9, alignment: 1) { buffer in
      var rest = value
      var start = 8
      buffer[8] = unit
      repeat {
        start -= 1
        buffer[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest > 0
      return body(UnsafeRawBufferPointer(rebasing: buffer[start...]))
    }
  }

  /// At most 8 digits.
  private static func valueAndUnit(_ timeout: Duration) -> (value: Int64, unit: UInt8) {
    let (seconds, attoseconds) = timeout.components
    guard seconds >= 0, timeout > .zero else { return (1, UInt8(ascii: "n")) }
    let limit: Int64 = 99_999_999
    let (nanoseconds, overflowed) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if !overflowed {
      let total = nanoseconds.addingReportingOverflow((attoseconds + 999_999_999) / 1_000_000_000)
      if !total.overflow {
        let rest = total.partialValue - 1
        if rest < limit { return (rest + 1, UInt8(ascii: "n")) }
        if rest / 1000 < limit { return (rest / 1000 + 1, UInt8(ascii: "u")) }
        if rest / 1_000_000 < limit { return (rest / 1_000_000 + 1, UInt8(ascii: "m")) }
        if rest / 1_000_000_000 < limit { return (rest / 1_000_000_000 + 1, UInt8(ascii: "S")) }
      }
    }
    if seconds / 60 < limit { return (seconds / 60 + 1, UInt8(ascii: "M")) }
    return (min(seconds / 3600 + 1, limit), UInt8(ascii: "H"))
  }
}
