// Text that others have chosen (a peer, a DNS server, a file, an error that wraps such text) goes into a log line or the text
// of an error only through one of these: what it holds must neither begin a line of its own, nor steer a terminal, nor pass
// for text of this package, nor fill the log.
extension String {
  /// Somebody else's text as a part of one of ours, which stands in quotes or behind a colon: control and format characters,
  /// line separators, quotes and backslashes are escaped as in Swift's literals, and it is cut after `limit` scalars.
  package init(foreign text: some StringProtocol, limit: Int = 200) {
    self = String.readable(text, limit: limit, escapesQuotes: true)
  }

  /// A whole text of ours that may hold somebody else's, for a log line: the same, but quotes and backslashes stay as they
  /// are, since a part that is not ours has its own escaped already.
  package init(line text: some StringProtocol, limit: Int = 2000) {
    self = String.readable(text, limit: limit, escapesQuotes: false)
  }

  private static func readable(_ text: some StringProtocol, limit: Int, escapesQuotes: Bool) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      // "…" is outside of any quotes that stand around, and whoever sends it can't send more behind it.
      guard count < limit else { return result + "…" }
      count += 1
      switch scalar {
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\"" where escapesQuotes: result += "\\\""
      case "\\" where escapesQuotes: result += "\\\\"
      case _ where isUnreadable(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isUnreadable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7f }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return true
    default: return false
    }
  }
}
