import Logging
import Synchronization
import VoleryClient
import VoleryObservation
import VoleryTypes

/// What control planes tell all channels of a factory: each name is asked for where its authority says (gRFC A47).
final class XDSClient: Sendable {
  private struct Watcher {
    var keys: Set<ResourceKey> = []
    let signal: AsyncStream<Void>.Continuation
    /// Of the channel.
    let target: String
  }

  let bootstrap: XDSBootstrap
  let accounts: ClusterAccounts
  private let settings: ClientSettings
  /// Nil: nobody observes.
  private let observation: ClientObservation?
  private let watchers = Mutex<[Int: Watcher]>([:])
  private let lastID = Atomic<Int>(0)
  /// By who is asked; held while they are told what is wanted, so that the newest word is the last one.
  private let streams = Mutex<[[XDSServer]: DiscoveryStream]>([:])

  init(_ bootstrap: XDSBootstrap, credentials: ChannelCredentials?, observer: (any Observer)?, logger: Logger) {
    self.bootstrap = bootstrap
    observation = observer.map { ClientObservation($0, bootstrap) }
    accounts = ClusterAccounts()
    settings = ClientSettings(bootstrap: bootstrap, override: credentials, logger: logger, accounts: accounts)
  }

  /// - Parameters:
  ///   - signal: Yields when what the watcher wants may have changed.
  ///   - target: Of its channel, for observers.
  func watch(_ signal: AsyncStream<Void>.Continuation, for target: String) -> Int {
    let id = lastID.add(1, ordering: .relaxed).newValue
    watchers.withLock { $0[id] = Watcher(signal: signal, target: target) }
    return id
  }

  func want(_ keys: Set<ResourceKey>, by id: Int) {
    streams.withLock { streams in
      let target = watchers.withLock { watchers in
        watchers[id]?.keys = keys
        return watchers[id]?.target
      }
      if let target { observation?.wants(keys, by: id, target: target) }
      wantedChanged(&streams)
    }
  }

  func unwatch(_ id: Int) {
    streams.withLock { streams in
      if let target = watchers.withLock({ $0.removeValue(forKey: id)?.target }) {
        observation?.wants([], by: id, target: target)
      }
      wantedChanged(&streams)
    }
  }

  func view(_ key: ResourceKey) -> ResourceView {
    guard let servers = bootstrap.servers(for: key.name) else {
      return .failed(
        StatusError(.unavailable, "xds: \(key) has an authority that the xDS bootstrap does not name (gRFC A47)"))
    }
    return streams.withLock { $0[servers] }?.view(key) ?? .waiting
  }

  /// All that is known, for those who look from outside (gRFC A40).
  var dump: [ResourceDump] { streams.withLock { Array($0.values) }.flatMap(\.dump) }

  private func wantedChanged(_ streams: inout [[XDSServer]: DiscoveryStream]) {
    var byServers: [[XDSServer]: Set<ResourceKey>] = [:]
    for key in watchers.withLock({ $0.values.reduce(into: Set()) { $0.formUnion($1.keys) } }) {
      if let servers = bootstrap.servers(for: key.name) { byServers[servers, default: []].insert(key) }
    }
    for servers in byServers.keys where streams[servers] == nil {
      streams[servers] = DiscoveryStream(servers, settings, observation) { [weak self] in self?.changed($0) }
    }
    for (servers, stream) in streams { stream.want(byServers[servers] ?? []) }
  }

  private func changed(_ keys: Set<ResourceKey>) {
    watchers.withLock { watchers in
      for watcher in watchers.values where !watcher.keys.isDisjoint(with: keys) { watcher.signal.yield() }
    }
  }
}
