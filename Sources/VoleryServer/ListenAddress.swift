import VoleryEventLoops

/// Where a server listens.
public enum ListenAddress: Hashable, Sendable {
  /// An IPv4 or IPv6 literal and a port; `0.0.0.0` and `::` are every address of the machine (`::` for both families),
  /// port 0 lets the system choose.
  case tcp(String, Int)
  /// A unix domain socket's path; a file that a dead server has left there is replaced.
  case unix(String)
  /// A name in Linux's abstract socket namespace.
  case unixAbstract(String)
  /// A name for channels of this process, which reach the server as `in-process:NAME` without sockets.
  case inProcess(String)
}

extension SocketDestination {
  /// Nil for a server that has no socket.
  init?(_ address: ListenAddress) {
    switch address {
    case .tcp(let host, let port): self = .tcp(host: host, port: port)
    case .unix(let path): self = .unix(path: path)
    case .unixAbstract(let name): self = .unixAbstract(name: name)
    case .inProcess: return nil
    }
  }
}
