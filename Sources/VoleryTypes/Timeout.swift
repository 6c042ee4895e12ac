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
    let (seconds, attoseconds) = timeout.components
    guard seconds >= 0, timeout > .zero else { return "1n" }
    let limit: Int64 = 99_999_999
    let (nanoseconds, overflowed) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if !overflowed {
      let total = nanoseconds.addingReportingOverflow((attoseconds + 999_999_999) / 1_000_000_000)
      if !total.overflow {
        for (unit, letter) in [(1 as Int64, "n"), (1000, "u"), (1_000_000, "m"), (1_000_000_000, "S")] {
          let value = (total.partialValue - 1) / unit + 1
          if value <= limit { return "\(value)\(letter)" }
        }
      }
    }
    for (unit, letter) in [(60 as Int64, "M"), (3600, "H")] {
      let value = seconds / unit + 1
      if value <= limit { return "\(value)\(letter)" }
    }
    return "\(limit)H"
  }
}
