import Synchronization
package import VoleryTypes
import VoleryWellKnownTypes

/// Whether a route is for a call: by its path, its metadata, and by chance (gRFC A28).
package struct RouteMatch: Equatable, Sendable {
  package let path: TextMatch
  package let headers: [HeaderMatch]
  /// Of a million calls, how many; nil: all.
  package let perMillion: UInt32?

  init(_ wire: WireRouteMatch) throws(XDSResourceError) {
    let ignoresCase = wire.caseSensitive.map { !$0.value } ?? false
    switch wire.pathSpecifier {
    case .prefix(let text)?: path = TextMatch(.prefix(text), ignoresCase: ignoresCase)
    case .path(let text)?: path = TextMatch(.exact(text), ignoresCase: ignoresCase)
    case .safeRegex(let regex)?: path = TextMatch(.pattern(try TextPattern(regex.regex, "safe_regex")))
    case nil: throw XDSResourceError("path_specifier", "is none of prefix, path and safe_regex")
    }
    var headers: [HeaderMatch] = []
    for (index, header) in wire.headers.enumerated() {
      headers.append(try XDSResourceError.within("headers[\(index)]") { try HeaderMatch(header) })
    }
    self.headers = headers
    perMillion = try wire.runtimeFraction?.defaultValue.map { (fraction) throws(XDSResourceError) in
      try fraction.perMillion("runtime_fraction")
    }
  }

  /// - Parameter random: 0 to 999,999.
  package func fits(_ path: String, _ metadata: Metadata, random: () -> UInt32) -> Bool {
    guard self.path.fits(path), headers.allSatisfy({ $0.fits(metadata) }) else { return false }
    return perMillion.map { random() < $0 } ?? true
  }
}

extension WireFractionalPercent {
  func perMillion(_ field: String) throws(XDSResourceError) -> UInt32 {
    let factor: UInt64 =
      switch denominator {
      case .hundred: 10_000
      case .tenThousand: 100
      case .million: 1
      case .unrecognized:
        throw XDSResourceError("\(field).denominator", "is not known")
      }
    return UInt32(min(UInt64(numerator) * factor, 1_000_000))
  }
}

/// A whole text, a part of it, or a pattern.
package struct TextMatch: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case exact(String)
    case prefix(String)
    case suffix(String)
    case contains(String)
    case pattern(TextPattern)
  }

  private let kind: Kind
  private let ignoresCase: Bool

  init(_ kind: Kind, ignoresCase: Bool = false) {
    self.ignoresCase = ignoresCase
    self.kind =
      switch kind {
      case .exact(let text) where ignoresCase: .exact(text.lowercased())
      case .prefix(let text) where ignoresCase: .prefix(text.lowercased())
      case .suffix(let text) where ignoresCase: .suffix(text.lowercased())
      case .contains(let text) where ignoresCase: .contains(text.lowercased())
      default: kind
      }
  }

  /// The whole text that is wanted; nil: a part of it, or a pattern.
  var exact: String? { if case .exact(let text) = kind { text } else { nil } }

  package func fits(_ text: String) -> Bool {
    let text = ignoresCase ? text.lowercased() : text
    return switch kind {
    case .exact(let whole): text == whole
    case .prefix(let part): part.isEmpty || text.hasPrefix(part)
    case .suffix(let part): text.hasSuffix(part)
    case .contains(let part): text.contains(part)
    case .pattern(let pattern): pattern.fitsWhole(text)
    }
  }
}

/// A regular expression that a whole text has to fit. Calls that look at one wait for one another.
package final class TextPattern: Equatable, Sendable {
  private let source: String
  private let regex: Mutex<Regex<AnyRegexOutput>>
  private static let maxLength = 1000

  init(_ source: String, _ field: String) throws(XDSResourceError) {
    guard source.utf8.count <= TextPattern.maxLength else {
      throw XDSResourceError(field, "a pattern of over \(TextPattern.maxLength) bytes")
    }
    self.source = source
    do { regex = Mutex(try Regex(source)) } catch {
      throw XDSResourceError(field, "\(XDSResourceError.quote(source)) is no regular expression")
    }
  }

  func fitsWhole(_ text: String) -> Bool {
    regex.withLock { regex in
      guard let match = try? regex.wholeMatch(in: text) else { return false }
      return match.range == text.startIndex..<text.endIndex
    }
  }

  package static func == (left: TextPattern, right: TextPattern) -> Bool { left.source == right.source }
}
