import VoleryTypes

/// gRFC A50's algorithm: counts how calls end, and at each interval decides which servers are ejected and which come back. A
/// value; it knows servers by their set of addresses, so that one that is taken from the list and comes back is still known
/// while it is ejected.
struct OutlierDetector {
  typealias Instant = ContinuousClock.Instant

  /// A server's addresses, in whatever order.
  enum Key: Hashable {
    /// As most have: costs no set.
    case one(SocketAddress)
    case several(Set<SocketAddress>)

    init(_ endpoint: Endpoint) {
      self = endpoint.addresses.count == 1 ? .one(endpoint.addresses[0]) : .several(Set(endpoint.addresses))
    }
  }

  fileprivate struct Server {
    /// How often it is in the list.
    var listings = 0
    var successes = 0
    var failures = 0
    /// The interval before: what the decision is made of.
    var lastSuccesses = 0
    var lastFailures = 0
    var ejectedAt: Instant?
    /// While it is ejected.
    var method: OutlierDetectionMethod?
    var multiplier = 0

    var lastVolume: Int { lastSuccesses + lastFailures }
    var successRate: Double { Double(lastSuccesses) / Double(max(1, lastVolume)) }
    var failurePercentage: Double { 100 * Double(lastFailures) / Double(max(1, lastVolume)) }
  }

  var configuration: OutlierDetectionConfiguration
  private let random: () -> UInt64
  private var servers: [Key: Server] = [:]
  private var list = EndpointList()
  /// Of the last sweep: those that were found, and let go.
  private(set) var spared: [Spared] = []

  /// A server that was found and is not ejected.
  struct Spared: Equatable {
    let key: Key
    let method: OutlierDetectionMethod
    let reason: UnenforcedReason
  }

  init(_ configuration: OutlierDetectionConfiguration, random: @escaping () -> UInt64) {
    self.configuration = configuration
    self.random = random
  }

  /// The list of servers is this now.
  mutating func update(_ endpoints: [Endpoint]) {
    let change = list.replace(with: endpoints)
    for endpoint in change.new { servers[Key(endpoint), default: Server()].listings += 1 }
    for endpoint in change.gone {
      let key = Key(endpoint)
      servers[key]?.listings -= 1
      if servers[key]?.listings == 0 { servers[key] = nil }
    }
  }

  mutating func callEnded(_ key: Key, succeeded: Bool) {
    if succeeded { servers[key]?.successes += 1 } else { servers[key]?.failures += 1 }
  }

  func isEjected(_ key: Key) -> Bool { servers[key]?.ejectedAt != nil }

  /// By what it was found out; nil for one that is not ejected.
  func method(ofEjecting key: Key) -> OutlierDetectionMethod? { servers[key]?.method }

  /// An interval is over. Returns whose ejection has begun or ended.
  mutating func sweep(at now: Instant) -> Set<Key> {
    let before = ejected
    spared = []
    for key in servers.keys { servers[key]?.startInterval() }
    if let rate = configuration.successRate { judge(rate, now) }
    if let failures = configuration.failurePercentage { judge(failures, now) }
    for (key, server) in servers { servers[key] = settled(server, now) }
    return before.symmetricDifference(ejected)
  }

  private var ejected: Set<Key> { Set(servers.filter { $0.value.ejectedAt != nil }.keys) }

  private mutating func judge(_ rate: OutlierDetectionConfiguration.SuccessRate, _ now: Instant) {
    let judged = servers.filter { $0.value.lastVolume >= rate.requestVolume && $0.value.lastVolume > 0 }
    guard judged.count >= rate.minimumHosts, !judged.isEmpty else { return }
    let rates = judged.values.map(\.successRate)
    let mean = rates.reduce(0, +) / Double(rates.count)
    let variance = rates.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(rates.count)
    let threshold = mean - variance.squareRoot() * Double(rate.stdevFactor) / 1000
    for key in ordered(judged) where judged[key]!.successRate < threshold {
      eject(key, .successRate, enforcement: rate.enforcementPercentage, now)
    }
  }

  private mutating func judge(_ failures: OutlierDetectionConfiguration.FailurePercentage, _ now: Instant) {
    let judged = servers.filter { $0.value.lastVolume >= failures.requestVolume && $0.value.lastVolume > 0 }
    guard judged.count >= failures.minimumHosts else { return }
    for key in ordered(judged) where judged[key]!.failurePercentage > Double(failures.threshold) {
      eject(key, .failurePercentage, enforcement: failures.enforcementPercentage, now)
    }
  }

  /// The worst first: where not all may be ejected, they are.
  private func ordered(_ judged: [Key: Server]) -> [Key] {
    judged.sorted { $0.value.successRate < $1.value.successRate }.map(\.key)
  }

  private mutating func eject(_ key: Key, _ method: OutlierDetectionMethod, enforcement: Int, _ now: Instant) {
    guard servers[key]?.ejectedAt == nil else { return }
    guard mayEjectOneMore else {
      return spared.append(Spared(key: key, method: method, reason: .maxEjectionOverflow))
    }
    guard Int(random() % 100) < enforcement else {
      return spared.append(Spared(key: key, method: method, reason: .enforcementPercentage))
    }
    servers[key]?.ejectedAt = now
    servers[key]?.method = method
    servers[key]?.multiplier += 1
  }

  /// Not where too many are, or where it would be the last one (the specification lets at least one go, however few there are).
  private var mayEjectOneMore: Bool {
    let count = ejected.count
    return configuration.maxEjectionPercent > 0 && servers.count > count + 1
      && (count == 0 || count * 100 < configuration.maxEjectionPercent * servers.count)
  }

  private func settled(_ server: Server, _ now: Instant) -> Server {
    var server = server
    guard let ejectedAt = server.ejectedAt else {
      if server.multiplier > 0 { server.multiplier -= 1 }
      return server
    }
    let longest = max(configuration.baseEjectionTime, configuration.maxEjectionTime)
    let time = configuration.baseEjectionTime.scaled(by: Double(server.multiplier), upTo: longest)
    if now > ejectedAt.advanced(by: time) {
      server.ejectedAt = nil
      server.method = nil
    }
    return server
  }
}

extension OutlierDetector.Server {
  fileprivate mutating func startInterval() {
    lastSuccesses = successes
    lastFailures = failures
    successes = 0
    failures = 0
  }
}
