import Synchronization
import VoleryEventLoops
public import VoleryNameResolution
import VoleryTypes

/// `file:///etc/orders/endpoints.json`: the endpoints stand in a file, and its changes are followed. For continuous
/// integration, for machines without DNS, and for control planes of your own, a Kubernetes ConfigMap for example.
///
///     {
///       "endpoints": [
///         "10.0.0.1:50051",
///         {"address": "10.0.0.2:50051", "weight": 3, "zone": "eu-1a"},
///         {"addresses": ["[fd00::3]:50051", "10.0.0.3:50051"], "priority": 1, "serverName": "three.orders",
///          "attributes": {"shard": "7"}}
///       ],
///       "serviceConfig": {"methodConfig": [{"name": [{}], "timeout": "2s"}]}
///     }
///
/// - An endpoint is an address, or an object with `address`, or `addresses` where one server has several. Addresses are IP
///   literals with a port, `unix:PATH` or `unix-abstract:NAME`; names are not looked up.
/// - `weight`, `priority` (0 to 2^32-1), `zone`, `serverName` and `attributes` (texts) are optional, and become the
///   endpoint's `attributes`. Members that are not named here are ignored; one of a wrong type makes the whole file bad.
/// - `endpoints` may be empty, which means that there is no server. At most 10,000, and 16 MiB of file.
/// - `serviceConfig` is optional; a bad one is treated as gRFC A21 has it, and the endpoints count all the same.
/// - The file, and each directory on its way that a symbolic link leads through, is watched (inotify), and looked at once a
///   second besides. A change counts at once; 250 ms is the laboratory's bar from the change to the first call.
/// - A file that can't be read, or is bad (half written, say), changes nothing: the last good one holds, and the channel
///   says once what is wrong. To replace it, write a new file and rename it, or swap a symbolic link as Kubernetes does.
/// - The `:authority` of calls is `localhost` unless the channel's options say another one.
public struct FileResolverFactory: ResolverFactory {
  /// `file`.
  public let scheme = "file"

  /// As often a resolver looks by itself: not every file system tells of its changes.
  package var interval: Duration = .seconds(1)

  /// Apart from the loops of connections: to watch a directory of a file system that hangs may take for ever.
  private static let madeWatches = Mutex<EventLoop?>(nil)

  /// - Throws: What the system lacks to make it; the next one who asks tries again.
  private static func watches() throws -> EventLoop {
    try madeWatches.withLock { made in
      if let made { return made }
      let loop = try EventLoop()
      made = loop
      return loop
    }
  }

  /// What a channel has by default.
  public init() {}

  /// A resolver of the file at the target's path, which need not be there yet.
  ///
  /// - Throws: `TargetError` for a query and for a host (two slashes instead of three).
  public func makeResolver(for target: Target) throws -> any Resolver {
    try target.refuseQuery()
    guard target.authority.isEmpty else {
      throw TargetError("the target \"\(target)\" names a host; write file:///PATH, with three slashes")
    }
    return FileResolver(path: target.endpoint, on: try FileResolverFactory.watches(), interval: interval)
  }

  /// `localhost`: a file's path is no name that a certificate could have.
  public func defaultAuthority(for target: Target) -> String { "localhost" }
}
