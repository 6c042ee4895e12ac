/// Timestamps and durations as text (RFC 3339; decimal seconds with an `s`).
package struct TimeText {
  package var seconds: Int64
  package var nanos: Int32

  package init(seconds: Int64, nanos: Int32) {
    self.seconds = seconds
    self.nanos = nanos
  }

  /// About 10,000 years.
  static let maxDurationSeconds: Int64 = 315_576_000_000

  // MARK: Writing

  /// `2006-01-02T15:04:05.000Z` with 0, 3, 6 or 9 digits of the second; nil out of range.
  package var timestamp: String? {
    guard CalendarTime.secondsRange.contains(seconds), (0..<1_000_000_000).contains(nanos) else { return nil }
    var days = seconds / 86_400
    var rest = seconds % 86_400
    if rest < 0 {
      days -= 1
      rest += 86_400
    }
    let day = CalendarTime.day(days)
    return "\(padded(day.year, 4))-\(padded(day.month, 2))-\(padded(day.day, 2))T\(padded(rest / 3600, 2)):"
      + "\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))\(fraction(nanos))Z"
  }

  /// `1.500s` with 0, 3, 6 or 9 digits; nil out of range, or where seconds and nanos differ in sign.
  package var duration: String? {
    guard seconds.magnitude <= UInt64(TimeText.maxDurationSeconds), nanos.magnitude < 1_000_000_000,
      seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
    else { return nil }
    let sign = seconds < 0 || nanos < 0 ? "-" : ""
    return "\(sign)\(seconds.magnitude)\(fraction(Int32(nanos.magnitude)))s"
  }

  private func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  private func fraction(_ nanos: Int32) -> String {
    if nanos == 0 { return "" }
    let digits = padded(Int64(nanos), 9)
    let width = nanos % 1_000_000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9
    return "." + digits.prefix(width)
  }

  // MARK: Reading

  /// Nil when the text is no RFC 3339 time with upper-case `T` and `Z`, or not between the years 1 and 9999.
  package init?(timestamp text: String) {
    var text = text.utf8[...]
    guard let year = TimeText.number(&text, 4), TimeText.skip(&text, "-"), let month = TimeText.number(&text, 2),
      TimeText.skip(&text, "-"), let day = TimeText.number(&text, 2), TimeText.skip(&text, "T"),
      let hour = TimeText.number(&text, 2), TimeText.skip(&text, ":"), let minute = TimeText.number(&text, 2),
      TimeText.skip(&text, ":"), let second = TimeText.number(&text, 2), (1...12).contains(month), day >= 1,
      year >= 1, day <= CalendarTime.dayCount(year: year, month: month), hour < 24, minute < 60, second < 60,
      let nanos = TimeText.fraction(&text), let offset = TimeText.offset(&text), text.isEmpty
    else { return nil }
    let local = CalendarTime.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second
    seconds = local - offset
    self.nanos = nanos
    guard CalendarTime.secondsRange.contains(seconds) else { return nil }
  }

  /// Nil when the text is no number of seconds followed by `s`, or too large.
  package init?(duration text: String) {
    var text = text.utf8[...]
    let isNegative = TimeText.skip(&text, "-")
    let digits = text.prefix { $0 &- 0x30 < 10 }
    guard !digits.isEmpty, digits.count <= 12, let seconds = Int64(Substring(digits)),
      seconds <= TimeText.maxDurationSeconds
    else { return nil }
    text = text[digits.endIndex...]
    guard let nanos = TimeText.fraction(&text), TimeText.skip(&text, "s"), text.isEmpty else { return nil }
    self.seconds = isNegative ? -seconds : seconds
    self.nanos = isNegative ? -nanos : nanos
  }

  private static func skip(_ text: inout Substring.UTF8View, _ letter: Unicode.Scalar) -> Bool {
    guard text.first == UInt8(ascii: letter) else { return false }
    text.removeFirst()
    return true
  }

  /// Exactly so many digits.
  private static func number(_ text: inout Substring.UTF8View, _ count: Int) -> Int64? {
    var value: Int64 = 0
    for _ in 0..<count {
      guard let digit = text.first, digit &- 0x30 < 10 else { return nil }
      value = value * 10 + Int64(digit - 0x30)
      text.removeFirst()
    }
    return value
  }

  /// Nothing, or a point and 1 to 9 digits.
  private static func fraction(_ text: inout Substring.UTF8View) -> Int32? {
    guard skip(&text, ".") else { return 0 }
    var value: Int32 = 0
    var count = 0
    while let digit = text.first, digit &- 0x30 < 10 {
      guard count < 9 else { return nil }
      value = value * 10 + Int32(digit - 0x30)
      count += 1
      text.removeFirst()
    }
    guard count > 0 else { return nil }
    for _ in count..<9 { value *= 10 }
    return value
  }

  /// `Z`, or hours and minutes from UTC, in seconds.
  private static func offset(_ text: inout Substring.UTF8View) -> Int64? {
    if skip(&text, "Z") { return 0 }
    let isNegative = text.first == UInt8(ascii: "-")
    guard skip(&text, "+") || skip(&text, "-"), let hours = number(&text, 2), skip(&text, ":"),
      let minutes = number(&text, 2), hours < 24, minutes < 60
    else { return nil }
    let offset = hours * 3600 + minutes * 60
    return isNegative ? -offset : offset
  }
}
