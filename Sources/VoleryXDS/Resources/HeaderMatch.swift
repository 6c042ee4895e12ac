package import VoleryTypes

/// What a route wants of one of a call's metadata (gRFC A28, A31).
package struct HeaderMatch: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case text(TextMatch)
    case range(Range<Int64>)
    case present(Bool)
  }

  private let name: String
  private let kind: Kind
  private let isInverted: Bool

  init(_ wire: WireHeaderMatcher) throws(XDSResourceError) {
    guard !wire.name.isEmpty else { throw XDSResourceError("name", "empty") }
    name = wire.name.lowercased()
    isInverted = wire.invertMatch
    kind =
      switch wire.headerMatchSpecifier {
      case .exactMatch(let text)?: .text(TextMatch(.exact(text)))
      case .prefixMatch(let text)?: .text(TextMatch(.prefix(text)))
      case .suffixMatch(let text)?: .text(TextMatch(.suffix(text)))
      case .containsMatch(let text)?: .text(TextMatch(.contains(text)))
      case .safeRegexMatch(let regex)?: .text(TextMatch(.pattern(try TextPattern(regex.regex, "safe_regex_match"))))
      case .rangeMatch(let range)?:
        .range(range.start..<max(range.start, range.end))
      case .presentMatch(let isPresent)?: .present(isPresent)
      case .stringMatch(let match)?: .text(try TextMatch(match))
      case nil: throw XDSResourceError("header_match_specifier", "missing")
      }
  }

  package func fits(_ metadata: Metadata) -> Bool {
    let value = value(in: metadata)
    let fits: Bool
    switch kind {
    case .present(let isWanted): fits = (value != nil) == isWanted
    case .text(let match):
      guard let value else { return false }
      fits = match.fits(value)
    case .range(let range):
      guard let value else { return false }
      fits = Int64(value).map(range.contains) ?? false
    }
    return fits != isInverted
  }

  /// gRFC A28: several values are one, with commas; binary metadata are never seen, and the content type is gRPC's own.
  private func value(in metadata: Metadata) -> String? {
    if name.hasSuffix("-bin") { return nil }
    if name == "content-type" { return "application/grpc" }
    let values = metadata.values(name)
    return values.isEmpty ? nil : values.joined(separator: ",")
  }
}

extension TextMatch {
  init(_ wire: WireStringMatcher) throws(XDSResourceError) {
    let kind: Kind =
      switch wire.matchPattern {
      case .exact(let text)?: .exact(text)
      case .prefix(let text)?: .prefix(text)
      case .suffix(let text)?: .suffix(text)
      case .contains(let text)?: .contains(text)
      case .safeRegex(let regex)?: .pattern(try TextPattern(regex.regex, "string_match.safe_regex"))
      case nil: throw XDSResourceError("string_match", "is empty")
      }
    self.init(kind, ignoresCase: wire.ignoreCase)
  }
}
