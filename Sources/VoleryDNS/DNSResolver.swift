import Synchronization
import VoleryEventLoops
public import VoleryNameResolution
import VoleryTypes

/// `dns:///host:port`: every address of a name is an endpoint, and the name is looked at again every few seconds and at
/// once when a connection is lost (doc/naming.md; the refresh is this project's own, one-to-N correct by default).
///
/// - Port 443 where none is given; IP literals and `localhost` are their own answer.
/// - `dns://10.0.0.10:53/host:port` asks that DNS server instead of those of resolv.conf.
/// - Answers larger than a datagram come by TCP; the search list and `ndots` of resolv.conf count.
/// - All channels of the process with the same target share one watcher: the queries do not multiply.
public struct DNSResolverFactory: ResolverFactory {
  public let scheme = "dns"
  /// Time between two look-ups while nothing is lost, ±20 %. 5 seconds.
  public var refreshInterval: Duration

  public init(refreshInterval: Duration = .seconds(5)) {
    // Faster than 10 ms would only burn CPU: the rate limit allows five look-ups in five seconds anyway.
    self.refreshInterval = max(refreshInterval, .milliseconds(10))
  }

  public func makeResolver(for target: Target) throws -> any Resolver {
    guard let place = HostAndPort(target.endpoint, defaultPort: 443) else {
      throw TargetError("the target \"\(target)\": \"\(target.endpoint)\" is not host or host:port")
    }
    if AddressLiteral.isAddress(place.host) {
      return FixedResolver(Resolution(endpoints: [Endpoint(.tcp(place.host, place.port))], note: "an IP address"))
    }
    if place.host == "localhost" {
      return FixedResolver(
        Resolution(endpoints: [Endpoint([.tcp("127.0.0.1", place.port), .tcp("::1", place.port)])], note: "localhost"))
    }
    let key = DNSWatcher.Key(
      server: try server(of: target), host: place.host, port: place.port, interval: refreshInterval)
    return DNSResolver(DNSWatchers.shared.watcher(for: key))
  }

  private func server(of target: Target) throws(TargetError) -> String? {
    guard !target.authority.isEmpty else { return nil }
    guard let server = HostAndPort(target.authority, defaultPort: 53), AddressLiteral.isAddress(server.host) else {
      throw TargetError("the target \"\(target)\": the DNS server \"\(target.authority)\" is not an IP address")
    }
    return server.host.contains(":") ? "[\(server.host)]:\(server.port)" : "\(server.host):\(server.port)"
  }
}

/// One channel's view of a name.
final class DNSResolver: Resolver {
  private static let nextID = Atomic<Int>(0)
  private let watcher: DNSWatcher

  init(_ watcher: DNSWatcher) { self.watcher = watcher }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let id = DNSResolver.nextID.add(1, ordering: .relaxed).newValue
    watcher.add(id, publish)
    await untilCancelled()
    watcher.remove(id)
  }

  func resolveNow() { watcher.resolveNow() }

  var answersResolveNow: Bool { true }
}

/// The watchers of the process that somebody holds.
final class DNSWatchers: Sendable {
  static let shared = DNSWatchers()

  private struct Entry: Sendable {
    weak let watcher: DNSWatcher?
  }

  private let entries = Mutex<[DNSWatcher.Key: Entry]>([:])

  func watcher(for key: DNSWatcher.Key) -> DNSWatcher {
    entries.withLock { entries in
      if let watcher = entries[key]?.watcher { return watcher }
      entries = entries.filter { $0.value.watcher != nil }
      let watcher = DNSWatcher(key, loop: EventLoopGroup.shared.next())
      entries[key] = Entry(watcher: watcher)
      return watcher
    }
  }
}
