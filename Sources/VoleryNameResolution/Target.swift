/// What a channel is for: a parsed target string (doc/naming.md).
///
///     dns:///orders:50051      dns://10.0.0.10:53/orders.shop:50051      orders:50051 (the same as dns:///orders:50051)
///     ipv4:10.0.0.1:50051,10.0.0.2:50051      ipv6:[::1]:50051      unix:/run/orders.sock      unix-abstract:orders
///     dns+srv:///_grpc._tcp.orders      file:///etc/orders/endpoints.json      static:///10.0.0.1:50051,unix:/run/x.sock
public struct Target: Hashable, Sendable, CustomStringConvertible {
  /// Lower case, for example "dns".
  public let scheme: String
  /// What stands between `//` and the next `/`: for dns the DNS server to ask. Empty as a rule.
  public let authority: String
  /// The rest, without the leading `/` where the form was `scheme://authority/endpoint`.
  public let endpoint: String

  public init(scheme: String, authority: String = "", endpoint: String) {
    self.scheme = scheme.lowercased()
    self.authority = authority
    self.endpoint = endpoint
  }

  /// `scheme://authority/endpoint`, as log lines, errors and metrics name the target.
  public var description: String { "\(scheme)://\(authority)\(endpoint.hasPrefix("/") ? "" : "/")\(endpoint)" }
}

/// A target string that can't be read.
public struct TargetError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  package init(_ description: String) { self.description = description }
}

extension Target {
  /// Reads a target string; without a scheme it is a DNS name.
  ///
  /// - Parameter knownSchemes: What the channel has resolvers for. A scheme that is none of them is an error that lists
  ///   them: a slip of the pen must not silently become a DNS name.
  public init(parsing text: String, knownSchemes: [String]) throws(TargetError) {
    guard !text.isEmpty else { throw TargetError("the target is empty; write for example \"dns:///orders:50051\"") }
    if let (scheme, rest) = Target.splitScheme(text) {
      guard knownSchemes.contains(scheme.lowercased()) else {
        throw TargetError(
          "the target \"\(text)\" has the unknown scheme \"\(scheme)\"; known are: "
            + knownSchemes.sorted().joined(separator: ", "))
      }
      self = Target.make(scheme: scheme, rest: rest)
    } else {
      self.init(scheme: "dns", endpoint: text)
    }
    guard !endpoint.isEmpty else { throw TargetError("the target \"\(text)\" names nothing to connect to") }
  }

  /// The scheme and what follows its colon; nil where the text has no scheme: `host`, `host:port`, `[::1]:port`.
  private static func splitScheme(_ text: String) -> (Substring, Substring)? {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let scheme = text[..<colon]
    let rest = text[text.index(after: colon)...]
    guard let first = scheme.first, first.isASCII, first.isLetter,
      scheme.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) })
    else { return nil }
    let isPort = rest.allSatisfy { $0.isASCII && $0.isNumber }
    return isPort ? nil : (scheme, rest)
  }

  private static func make(scheme: Substring, rest: Substring) -> Target {
    guard rest.hasPrefix("//") else { return Target(scheme: String(scheme), endpoint: String(rest)) }
    let afterSlashes = rest.dropFirst(2)
    guard let slash = afterSlashes.firstIndex(of: "/") else {
      return Target(scheme: String(scheme), authority: String(afterSlashes), endpoint: "")
    }
    // unix:///run/x.sock is the absolute path; for every other scheme the slash only separates.
    let keepsSlash = scheme.lowercased() == "unix" || scheme.lowercased() == "file"
    let endpoint = keepsSlash ? afterSlashes[slash...] : afterSlashes[afterSlashes.index(after: slash)...]
    return Target(scheme: String(scheme), authority: String(afterSlashes[..<slash]), endpoint: String(endpoint))
  }
}
