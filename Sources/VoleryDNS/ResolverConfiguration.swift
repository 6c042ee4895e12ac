import VoleryPlatform

/// What resolv.conf (resolv.conf(5)) says of how names are asked; which servers to ask is c-ares' own reading of it.
package struct ResolverConfiguration: Hashable, Sendable {
  /// Domains that are put behind short names, in order.
  package var search: [String] = []
  /// A name with fewer dots goes through the search list before it is asked as it is. 1, at most 15.
  package var ndots = 1
  /// How long a server has to answer the first time that it is asked. 2 s where resolv.conf says nothing (its own 5 s is
  /// long for one lost datagram), 1 to 30 s.
  package var timeout: Duration = .seconds(2)
  /// How often each server is asked. 3 where resolv.conf says nothing, 1 to 5.
  package var attempts = 3

  package init() {}

  /// - Parameters:
  ///   - text: The file's.
  ///   - localDomain: The environment's LOCALDOMAIN, which replaces the search list.
  ///   - options: The environment's RES_OPTIONS, which come after the file's.
  package init(parsing text: String, localDomain: String? = nil, options: String? = nil) {
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(whereSeparator: \.isWhitespace)
      switch words.first {
      case "search"?, "domain"?: search = words.dropFirst().map(ResolverConfiguration.domain)
      case "options"?: apply(options: words.dropFirst())
      default: break  // name servers, comments, and what is nobody's business here.
      }
    }
    if let localDomain { search = localDomain.split(whereSeparator: \.isWhitespace).map(ResolverConfiguration.domain) }
    if let options { apply(options: options.split(whereSeparator: \.isWhitespace)[...]) }
    // glibc has no limit any more; this one keeps a silly file from a thousand questions for each name.
    search = Array(search.filter { !$0.isEmpty }.prefix(32))
  }

  private static func domain(_ text: Substring) -> String { String(text.hasSuffix(".") ? text.dropLast() : text) }

  private mutating func apply(options: ArraySlice<Substring>) {
    for option in options {
      let parts = option.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, let number = Int(parts[1]), number >= 0 else { continue }
      switch parts[0] {
      case "ndots": ndots = min(number, 15)
      case "timeout": timeout = .seconds(min(max(number, 1), 30))
      case "attempts": attempts = min(max(number, 1), 5)
      default: break
      }
    }
  }

  /// The names to ask for, one after another until one exists.
  package func candidates(for name: String) -> [String] {
    if name.hasSuffix(".") { return [String(name.dropLast())] }
    let searched = search.map { "\(name).\($0)" }
    let hasEnoughDots = name.utf8.count { $0 == UInt8(ascii: ".") } >= ndots
    return hasEnoughDots ? [name] + searched : searched + [name]
  }
}

extension ResolverConfiguration {
  static let path = "/etc/resolv.conf"

  /// The system's, read anew: the file may change while the program runs. Blocks.
  static func current(_ path: String = path) -> ResolverConfiguration {
    var text = [UInt8](repeating: 0, count: 64 << 10)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    var count = 0
    if descriptor >= 0 {
      while count < text.count {
        let got = text.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
        guard got > 0 else { break }
        count += got
      }
      close(descriptor)
    }
    return ResolverConfiguration(
      parsing: String(decoding: text[..<count], as: UTF8.self), localDomain: environmentVariable("LOCALDOMAIN"),
      options: environmentVariable("RES_OPTIONS"))
  }
}
