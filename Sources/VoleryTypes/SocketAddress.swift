import VoleryPlatform

/// One way to reach a server.
public enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// An IPv4 or IPv6 literal (never a name) and a port, 0 to 65535.
  case tcp(String, Int)
  /// A unix domain socket's path.
  case unix(String)
  /// A name in Linux's abstract socket namespace, without the leading NUL.
  case unixAbstract(String)
  /// A server in this process, by the name that it was registered with.
  case inProcess(String)

  /// True for a TCP address with an IPv6 literal.
  public var isIPv6: Bool {
    if case .tcp(let host, _) = self { return host.contains(":") }
    return false
  }

  /// As targets and logs write it: `10.0.0.1:80`, `[::1]:80`, `unix:/run/orders.sock`, `unix-abstract:orders`,
  /// `in-process:orders`.
  public var description: String {
    switch self {
    case .tcp(let host, let port): AddressLiteral.text(host: host, port: port)
    case .unix(let path): "unix:\(path)"
    case .unixAbstract(let name): "unix-abstract:\(name)"
    case .inProcess(let name): "in-process:\(name)"
    }
  }
}
