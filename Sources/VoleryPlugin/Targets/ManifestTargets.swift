/// The targets that the text of a Package.swift declares by name.
struct ManifestTargets {
  struct Declaration {
    let name: String
    /// Relative to the package's folder: as written, or where SwiftPM looks by itself.
    let path: String
    /// Whether the declaration has `plugins:`, whichever these are.
    let listsPlugins: Bool
    /// Whether VoleryPlugin is named there.
    let namesVoleryPlugin: Bool
  }

  private(set) var all: [Declaration] = []

  init(_ text: String) {
    let start = /\.(target|executableTarget|testTarget)\(\s*name:\s*"([^"]+)"/
    var end = text.startIndex
    for match in text.matches(of: start) where match.range.lowerBound >= end {
      let body = ManifestTargets.arguments(text[match.range.upperBound...])
      end = body.endIndex
      // `.target(name: "Orders")` alone is a dependency on it.
      if body.isEmpty { continue }
      let folder = match.output.1 == "testTarget" ? "Tests" : "Sources"
      all.append(
        Declaration(
          name: String(match.output.2),
          path: body.firstMatch(of: /path:\s*"([^"]+)"/).map { String($0.output.1) } ?? "\(folder)/\(match.output.2)",
          listsPlugins: body.contains("plugins:"), namesVoleryPlugin: body.contains("\"VoleryPlugin\"")))
    }
  }

  /// Up to the parenthesis that closes the call.
  private static func arguments(_ text: Substring) -> Substring {
    var depth = 1
    var isInText = false
    for index in text.indices {
      switch text[index] {
      case "\"": isInText.toggle()
      case "(" where !isInText: depth += 1
      case ")" where !isInText: depth -= 1
      default: break
      }
      if depth == 0 { return text[..<index] }
    }
    return text
  }
}
