import Synchronization
import VoleryEventLoops
public import VoleryNameResolution
import VoleryPlatform
import VoleryTypes

/// `dns:///host:port`: every address of a name is an endpoint, and the name is looked at again every few seconds and at
/// once when a connection is lost (doc/naming.md; the refresh is this project's own, one-to-N correct by default).
///
/// - Port 443 where none is given; IP literals and `localhost` are their own answer.
/// - `dns://10.0.0.10:53/host:port` asks that DNS server instead of those of resolv.conf.
/// - A and AAAA are asked at once, and one that is not answered holds the other up for 50 ms at most. An answer that is
///   larger than a datagram comes by TCP. The search list, `ndots`, `timeout` and `attempts` of resolv.conf count, and are
///   read anew for each look-up.
/// - When DNS fails, the last answer holds. A name that has no addresses any more is an empty answer.
/// - All channels of the process with the same target share one watcher: the queries do not multiply. At most 5 look-ups
///   in 5 s, however many connections are lost (polls at an interval below 2 s are not counted).
public struct DNSResolverFactory: ResolverFactory {
  /// `dns`, which is also the scheme of targets without one.
  public let scheme = "dns"
  /// Time between two look-ups while nothing is lost, ±20 %. 5 seconds.
  public var refreshInterval: Duration
  /// Whether a service config is read of the TXT record `_grpc_config.host` (gRFC A2). False: it is one more question for
  /// each look-up, and lets whoever owns the name change how clients behave.
  public var readsServiceConfig: Bool
  /// Instead of resolv.conf, for tests.
  package var configurationPath = ResolverConfiguration.path

  /// What a channel has by default; register one with other values to change them.
  ///
  /// - Parameters:
  ///   - refreshInterval: Between two look-ups while nothing is lost; at least 10 ms, 5 s by default.
  ///   - readsServiceConfig: Whether a TXT record's service config counts; false by default.
  public init(refreshInterval: Duration = .seconds(5), readsServiceConfig: Bool = false) {
    self.refreshInterval = DNSWatchers.sensible(refreshInterval)
    self.readsServiceConfig = readsServiceConfig
  }

  /// A resolver of the name, which shares its look-ups with all channels of the process that ask the same.
  ///
  /// - Throws: `TargetError` for a query, an endpoint that is not `host` or `host:port`, a DNS server that is no IP address,
  ///   and a zone that this machine does not have; what the system lacks to make an event loop.
  public func makeResolver(for target: Target) throws -> any Resolver {
    try target.refuseQuery()
    guard let place = HostAndPort(target.endpoint, defaultPort: 443) else {
      throw TargetError("the target \"\(target)\": \"\(target.endpoint)\" is not host or host:port")
    }
    if AddressLiteral.isAddress(place.host) {
      try AddressLiteral.checkZone(of: place.host, in: target)
      return FixedResolver(Resolution(endpoints: [Endpoint(.tcp(place.host, place.port))], note: "an IP address"))
    }
    if place.host == "localhost" {
      return FixedResolver(
        Resolution(endpoints: [Endpoint([.tcp("127.0.0.1", place.port), .tcp("::1", place.port)])], note: "localhost"))
    }
    let query = DNSQuery(
      server: try DNSWatchers.server(of: target), name: place.host, kind: .addresses(port: place.port),
      readsConfig: readsServiceConfig, configurationPath: configurationPath)
    return DNSResolver(try DNSWatchers.shared.watcher(for: DNSWatcher.Key(query: query, interval: refreshInterval)))
  }

  /// The same with the interval and the reading of service configs that the channel's options ask for.
  public func adopting(_ settings: ResolverSettings) -> any ResolverFactory {
    var adopted = self
    if let interval = settings.refreshInterval { adopted.refreshInterval = DNSWatchers.sensible(interval) }
    if let readsConfig = settings.readsServiceConfigFromDNS { adopted.readsServiceConfig = readsConfig }
    return adopted
  }
}

/// `dns+srv:///_grpc._tcp.orders`: the SRV records of a name give each server's host, port and weight (RFC 2782).
/// Kubernetes has them for the named ports of a headless Service, so that nobody has to know the pods' port; Consul for
/// every service (`dns+srv:///orders.service.consul`).
///
/// - The addresses of the records' targets are taken from the answer's additional section, or asked for.
/// - Each address is an endpoint, with the record's weight as `attributes.weight` where the records differ in it, and its
///   priority as `attributes.priority`: the policies that spread calls use those of the lowest priority that have a
///   connection.
/// - The `:authority` of calls, and the name that TLS checks, is the name without its `_service._proto`.
/// - Everything else is as with `DNSResolverFactory`: authority, refresh, limits, what happens when DNS fails.
public struct DNSServiceResolverFactory: ResolverFactory {
  /// `dns+srv`.
  public let scheme = "dns+srv"
  /// Time between two look-ups while nothing is lost, ±20 %. 5 seconds.
  public var refreshInterval: Duration
  /// Whether a service config is read of the TXT record `_grpc_config.` and the name without its `_service._proto`. False.
  public var readsServiceConfig: Bool

  /// What a channel has by default; register one with other values to change them.
  ///
  /// - Parameters:
  ///   - refreshInterval: Between two look-ups while nothing is lost; at least 10 ms, 5 s by default.
  ///   - readsServiceConfig: Whether a TXT record's service config counts; false by default.
  public init(refreshInterval: Duration = .seconds(5), readsServiceConfig: Bool = false) {
    self.refreshInterval = DNSWatchers.sensible(refreshInterval)
    self.readsServiceConfig = readsServiceConfig
  }

  /// A resolver of the SRV records, which shares its look-ups with all channels of the process that ask the same.
  ///
  /// - Throws: `TargetError` for a query, a port, an IP address in the place of the name, and a DNS server that is no IP
  ///   address; what the system lacks to make an event loop.
  public func makeResolver(for target: Target) throws -> any Resolver {
    try target.refuseQuery()
    guard !target.endpoint.contains(":") else {
      throw TargetError("the target \"\(target)\" has a port: SRV records say which port, write the name only")
    }
    guard !AddressLiteral.isAddress(target.endpoint), !target.endpoint.contains("/") else {
      throw TargetError("the target \"\(target)\": \"\(target.endpoint)\" is not a DNS name")
    }
    let query = DNSQuery(
      server: try DNSWatchers.server(of: target), name: target.endpoint, kind: .service, readsConfig: readsServiceConfig
    )
    return DNSResolver(try DNSWatchers.shared.watcher(for: DNSWatcher.Key(query: query, interval: refreshInterval)))
  }

  /// The name without its `_service._proto`: `orders.shop` of `_grpc._tcp.orders.shop`.
  public func defaultAuthority(for target: Target) -> String {
    DNSQuery(name: target.endpoint, kind: .service).host
  }

  /// The same with the interval and the reading of service configs that the channel's options ask for.
  public func adopting(_ settings: ResolverSettings) -> any ResolverFactory {
    var adopted = self
    if let interval = settings.refreshInterval { adopted.refreshInterval = DNSWatchers.sensible(interval) }
    if let readsConfig = settings.readsServiceConfigFromDNS { adopted.readsServiceConfig = readsConfig }
    return adopted
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

  func resolveNow(_ cause: ResolveCause) { watcher.resolveNow(cause) }

  var answersResolveNow: Bool { true }
}

/// The watchers of the process that somebody holds.
final class DNSWatchers: Sendable {
  static let shared = DNSWatchers()

  private struct Entry: Sendable {
    weak let watcher: DNSWatcher?
  }

  private let entries = Mutex<[DNSWatcher.Key: Entry]>([:])

  /// - Throws: `SocketError` when there are no event loops.
  func watcher(for key: DNSWatcher.Key) throws -> DNSWatcher {
    let loop = try EventLoopGroup.shared().next()
    return entries.withLock { entries in
      if let watcher = entries[key]?.watcher { return watcher }
      entries = entries.filter { $0.value.watcher != nil }
      let watcher = DNSWatcher(key, loop: loop)
      entries[key] = Entry(watcher: watcher)
      return watcher
    }
  }

  /// Faster than 10 ms would only burn CPU.
  static func sensible(_ interval: Duration) -> Duration { max(interval, .milliseconds(10)) }

  /// The DNS server that a target names, as `ip:port`.
  static func server(of target: Target) throws(TargetError) -> String? {
    guard !target.authority.isEmpty else { return nil }
    guard let server = HostAndPort(target.authority, defaultPort: 53), AddressLiteral.isAddress(server.host) else {
      throw TargetError("the target \"\(target)\": the DNS server \"\(target.authority)\" is not an IP address")
    }
    try AddressLiteral.checkZone(of: server.host, in: target)
    return AddressLiteral.text(host: server.host, port: server.port)
  }
}
