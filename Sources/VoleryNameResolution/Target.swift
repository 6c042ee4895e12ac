/// What a channel is for: a parsed target string (doc/naming.md), which is a URI (RFC 3986): what may not stand in one is
/// percent-encoded (`unix:/run/my%20orders.sock`, `dns:///[fe80::1%25eth0]:50051`).
///
///     dns:///orders:50051      dns://10.0.0.10:53/orders.shop:50051      orders:50051 (the same as dns:///orders:50051)
///     ipv4:10.0.0.1:50051,10.0.0.2:50051      ipv6:[::1]:50051      unix:/run/orders.sock      unix-abstract:orders
///     dns+srv:///_grpc._tcp.orders      file:///etc/orders/endpoints.json      static:///10.0.0.1:50051,unix:/run/x.sock
public struct Target: Hashable, Sendable, CustomStringConvertible {
  /// Lower case, for example "dns".
  public let scheme: String
  /// What stands between `//` and the next `/`: for dns the DNS server to ask. Empty as a rule. Decoded.
  public let authority: String
  /// The rest, without the leading `/` where the form was `scheme://authority/endpoint`. Decoded.
  public var endpoint: String { elements.joined(separator: ",") }
  /// What follows a `?`, as it stands; for resolvers of your own, the others refuse it. Empty as a rule.
  public let query: String
  /// The endpoint's parts between commas, decoded one by one.
  package let elements: [String]

  /// A target by its parts, none of them percent-encoded; they are not checked. Commas in the endpoint separate its elements.
  public init(scheme: String, authority: String = "", endpoint: String, query: String = "") {
    let elements = endpoint.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    self.init(scheme: scheme, authority: authority, elements: elements, query: query)
  }

  private init(scheme: String, authority: String, elements: [String], query: String) {
    self.scheme = scheme.lowercased()
    self.authority = authority
    self.elements = elements
    self.query = query
  }

  /// `scheme://authority/endpoint` (`unix:path` where the path is a relative one), as log lines, errors and metrics name the target; it can be parsed again.
  public var description: String {
    let authority = URIText.encode(authority, keeping: Target.authorityCharacters)
    let endpoint = elements.map { URIText.encode($0, keeping: Target.pathCharacters) }.joined(separator: ",")
    let query = query.isEmpty ? "" : "?\(query)"
    guard Target.isPath(scheme) else { return "\(scheme)://\(authority)/\(endpoint)\(query)" }
    // A relative path can't follow slashes.
    return endpoint.hasPrefix("/") ? "\(scheme)://\(authority)\(endpoint)\(query)" : "\(scheme):\(endpoint)\(query)"
  }

  /// What may stand there beside the unreserved (RFC 3986, 3.2 and 3.3), and brackets around addresses.
  private static let authorityCharacters = "!$&'()*+,;=:[]@"
  private static let pathCharacters = "!$&'()*+;=:@/[]"
}

/// A target string that can't be read.
public struct TargetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The target as it was given, what is wrong with it and, where that is known, what to write instead.
  public let description: String

  package init(_ description: String) { self.description = description }
}

extension Target {
  /// Reads a target string; without a scheme it is a DNS name. A fragment, a percent-encoding that is none, and a NUL where
  /// there can't be one are errors.
  ///
  /// - Parameter knownSchemes: What the channel has resolvers for. A scheme that is none of them is an error that lists
  ///   them: a slip of the pen must not silently become a DNS name.
  public init(parsing text: String, knownSchemes: [String]) throws(TargetError) {
    let bare = text.drop(while: \.isWhitespace)
    guard let last = bare.lastIndex(where: { !$0.isWhitespace }) else {
      throw TargetError("the target is empty; write for example \"dns:///orders:50051\"")
    }
    // The end of a line of a file or of a variable: it would be taken for a part of the name.
    guard bare.count == text.count, bare.index(after: last) == bare.endIndex else {
      throw TargetError(
        "the target \(text.debugDescription) has white space around it; write \"\(bare[...last])\"")
    }
    if let (scheme, rest) = Target.splitScheme(text) {
      guard knownSchemes.contains(scheme.lowercased()) else {
        throw TargetError(
          "the target \"\(text)\" has the unknown scheme \"\(scheme)\"; known are: "
            + knownSchemes.sorted().joined(separator: ", ") + Target.advice(scheme, rest))
      }
      self = try Target.make(scheme: scheme, rest: rest, text: text)
    } else {
      self = try Target.make(scheme: "dns", rest: "///\(text)", text: text)
    }
    guard !endpoint.isEmpty else {
      // The one who is asked, behind two slashes: who means the server forgets the third one.
      let advice =
        authority.isEmpty
        ? "" : "; with two slashes \"\(authority)\" is who is asked: write \"\(scheme):///\(authority)\", with three"
      throw TargetError("the target \"\(text)\" names nothing to connect to\(advice)")
    }
  }

  /// For those who write a URL.
  private static func advice(_ scheme: Substring, _ rest: Substring) -> String {
    let isSecure = ["https", "grpcs"].contains(scheme.lowercased())
    guard isSecure || ["http", "grpc", "h2c", "tcp"].contains(scheme.lowercased()) else { return "" }
    let host = rest.drop { $0 == "/" }.prefix { $0 != "/" }
    return "; write \"dns:///\(host)\"\(isSecure ? ", with the credentials .tls()" : "")"
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

  /// unix:///run/x.sock is the absolute path; for every other scheme the slash only separates.
  private static func isPath(_ scheme: String) -> Bool { scheme == "unix" || scheme == "file" }

  private static func make(scheme: Substring, rest: Substring, text: String) throws(TargetError) -> Target {
    guard !rest.contains("#") else {
      throw TargetError("the target \"\(text)\" has a fragment; for the character itself write %23")
    }
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let query = parts.count > 1 ? String(parts[1]) : ""
    var authority: Substring = ""
    var endpoint = parts[0]
    if endpoint.hasPrefix("//") {
      let afterSlashes = endpoint.dropFirst(2)
      authority = afterSlashes.prefix { $0 != "/" }
      endpoint = afterSlashes[authority.endIndex...]
    }
    if !isPath(scheme.lowercased()), endpoint.hasPrefix("/") { endpoint = endpoint.dropFirst() }
    do throws(URIText.Malformed) {
      var elements: [String] = []
      for element in endpoint.split(separator: ",", omittingEmptySubsequences: false) {
        elements.append(try URIText.decode(element))
      }
      let target = Target(
        scheme: String(scheme), authority: try URIText.decode(authority), elements: elements, query: query)
      guard target.scheme == "unix-abstract" || !target.endpoint.utf8.contains(0) else {
        throw URIText.Malformed(description: "it contains the character NUL")
      }
      return target
    } catch {
      throw TargetError("the target \"\(text)\": \(error)")
    }
  }

  /// For resolvers that have no use for them.
  package func refuseQuery() throws(TargetError) {
    guard query.isEmpty else {
      throw TargetError(
        "the target \"\(self)\" has a query, which means nothing to \(scheme): for the character \"?\" itself write %3F"
      )
    }
  }

  package func refuseAuthority() throws(TargetError) {
    guard authority.isEmpty else {
      throw TargetError(
        "the target \"\(self)\" has the authority \"\(authority)\", which means nothing to \(scheme): "
          + "write \(scheme):... or, with three slashes, \(scheme):///...")
    }
  }
}
