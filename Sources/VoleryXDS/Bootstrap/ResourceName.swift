import VoleryNameResolution

/// A resource's name by gRFC A47: `xdstp://AUTHORITY/TYPE/ID?KEY=VALUE&...`, whose parameters have no order; or any other text, which
/// has no authority.
package enum ResourceName {
  private static let scheme = "xdstp:"

  /// The same name in the one form by which it is known.
  package static func canonical(_ name: String) -> String {
    guard name.hasPrefix(scheme), let mark = name.firstIndex(of: "?") else { return name }
    let rest = name[name.index(after: mark)...]
    let fragment = rest.firstIndex(of: "#").map { rest[$0...] } ?? ""
    let parameters = rest.prefix { $0 != "#" }.split(separator: "&", omittingEmptySubsequences: true).sorted()
    guard !parameters.isEmpty else { return String(name[..<mark] + fragment) }
    return String(name[..<mark]) + "?" + parameters.joined(separator: "&") + fragment
  }

  /// Nil: it has none, or is of the older form. Empty in `xdstp:///`.
  package static func authority(of name: String) -> String? {
    guard name.hasPrefix(scheme + "//") else { return nil }
    return String(name.dropFirst(scheme.count + 2).prefix { $0 != "/" && $0 != "?" && $0 != "#" })
  }

  /// As a part of a path, of which the slash need not be encoded (RFC 3986, 3.3).
  package static func encoded(_ text: String) -> String { URIText.encode(text, keeping: "!$&'()*+,;=:@/") }
}
