import VoleryEventLoops
import VoleryNameResolution
import VoleryPlatform
package import VoleryServer

/// Finds targets that, as they are written, lead to the proxy itself. Names that only a look-up would tell are for the limit of
/// hops.
struct OwnAddresses {
  private let addresses: [ListenAddress]

  init(_ addresses: [ListenAddress]) { self.addresses = addresses }

  /// As it was configured; nil: none.
  func address(reachedBy target: Target) -> String? {
    for element in target.elements {
      for address in addresses where OwnAddresses.reaches(element, of: target.scheme, address) {
        return address.settingText
      }
    }
    return nil
  }

  /// Whether somebody else can't listen there; ports that the system chooses are nobody's yet.
  func isTaken(by destination: SocketDestination?) -> Bool {
    addresses.contains { address in
      switch (address, destination) {
      case (.tcp(let host, let port), .tcp(let other, let otherPort)):
        port == otherPort && port != 0 && (host == other || OwnAddresses.isEvery(host) || OwnAddresses.isEvery(other))
      case (.unix(let path), .unix(let other)): path == other
      default: false
      }
    }
  }

  private static func reaches(_ element: String, of scheme: String, _ address: ListenAddress) -> Bool {
    switch address {
    case .tcp(let host, let port):
      guard port != 0, let colon = element.lastIndex(of: ":"), Int(element[element.index(after: colon)...]) == port
      else { return false }
      let name = element[..<colon].filter { $0 != "[" && $0 != "]" }
      return name == host || (isEvery(host) || isOwn(host)) && isOwn(name)
    case .unix(let path): return scheme == "unix" && (element == path || "/\(element)" == path)
    case .unixAbstract(let name): return scheme == "unix-abstract" && element == name
    case .inProcess: return false
    }
  }

  private static func isEvery(_ host: String) -> Bool { host == "0.0.0.0" || host == "::" }

  private static func isOwn(_ host: String) -> Bool {
    host == "localhost" || host.hasPrefix("127.") || host == "::1" || isEvery(host)
  }
}

extension ListenAddress {
  /// `ADDR:PORT` or `unix:/path`; nil: neither.
  package init?(setting text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      guard !path.isEmpty else { return nil }
      self = .unix(path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65535).contains(port)
    else { return nil }
    self = .tcp(text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
  }

  var settingText: String {
    switch self {
    case .tcp(let host, let port): AddressLiteral.text(host: host, port: port)
    case .unix(let path): "unix:\(path)"
    case .unixAbstract(let name): "unix-abstract:\(name)"
    case .inProcess(let name): "in-process:\(name)"
    }
  }
}
