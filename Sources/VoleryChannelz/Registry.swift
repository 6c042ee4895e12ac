import Synchronization

/// How many there are of each kind.
package struct KeptCount: Hashable, Sendable {
  package var channels = 0
  package var subchannels = 0
  package var servers = 0
  /// Those that are listened on included.
  package var sockets = 0
  /// Of the sockets: those that calls find.
  package var connections = 0

  package init(channels: Int = 0, subchannels: Int = 0, servers: Int = 0, sockets: Int = 0, connections: Int = 0) {
    self.channels = channels
    self.subchannels = subchannels
    self.servers = servers
    self.sockets = sockets
    self.connections = connections
  }
}

/// All that a `Channelz` has, by its ids. Any thread.
final class Registry: Sendable {
  let options: ChannelzOptions
  let clientConnections = ConnectionTable()
  let serverConnections = ConnectionTable()
  private let channels: Mutex<EntityTable<ChannelRecord>>
  private let subchannels: Mutex<EntityTable<SubchannelRecord>>
  private let servers: Mutex<EntityTable<ServerRecord>>
  private let sockets: Mutex<EntityTable<SocketRecord>>

  init(_ options: ChannelzOptions) {
    self.options = options
    channels = Mutex(EntityTable(limit: options.maxChannels))
    subchannels = Mutex(EntityTable(limit: options.maxSubchannels))
    servers = Mutex(EntityTable(limit: options.maxServers))
    sockets = Mutex(EntityTable(limit: options.maxSockets))
  }

  var kept: KeptCount {
    KeptCount(
      channels: channels.withLock { $0.count }, subchannels: subchannels.withLock { $0.count },
      servers: servers.withLock { $0.count }, sockets: sockets.withLock { $0.count },
      connections: clientConnections.count + serverConnections.count)
  }

  // MARK: Finding

  func channel(_ id: Int) -> ChannelRecord? { channels.withLock { $0[id] } }
  func subchannel(_ id: Int) -> SubchannelRecord? { subchannels.withLock { $0[id] } }
  func server(_ id: Int) -> ServerRecord? { servers.withLock { $0[id] } }
  func socket(_ id: Int) -> SocketRecord? { sockets.withLock { $0[id] } }

  func channels(from start: Int, limit: Int) -> EntityTable<ChannelRecord>.Page {
    prune()
    return channels.withLock { $0.page(from: start, limit: limit) }
  }

  func servers(from start: Int, limit: Int) -> EntityTable<ServerRecord>.Page {
    prune()
    return servers.withLock { $0.page(from: start, limit: limit) }
  }

  /// What is gone without having said so.
  private func prune() {
    for channel in channels.withLock({ $0.removeAll(where: \.isGone) }) { forget(channel) }
    for server in servers.withLock({ $0.removeAll(where: \.isGone) }) { forget(server) }
  }

  // MARK: Coming and going; what has no room is not kept

  func add(_ channel: ChannelRecord) {
    if !channels.withLock({ $0.insert(channel, id: channel.id) }) {
      prune()
      _ = channels.withLock { $0.insert(channel, id: channel.id) }
    }
  }

  func remove(_ channel: ChannelRecord) {
    if channels.withLock({ $0.remove(channel.id) }) != nil { forget(channel) }
  }

  private func forget(_ channel: ChannelRecord) {
    for subchannel in channel.snapshot.subchannels.values { remove(subchannel) }
  }

  /// Returns whether there was room for it.
  func add(_ subchannel: SubchannelRecord) -> Bool {
    subchannels.withLock { $0.insert(subchannel, id: subchannel.id) }
  }

  func remove(_ subchannel: SubchannelRecord) { _ = subchannels.withLock { $0.remove(subchannel.id) } }

  /// The one that is there, or this one; nil: there is no room.
  func server(_ id: Int, orAdd make: () -> ServerRecord) -> ServerRecord? {
    if let found = server(id) { return found }
    if servers.withLock({ $0.count }) >= options.maxServers { prune() }
    return servers.withLock { servers in
      if let found = servers[id] { return found }
      let made = make()
      return servers.insert(made, id: id) ? made : nil
    }
  }

  func removeServer(_ id: Int) {
    if let server = servers.withLock({ $0.remove(id) }) { forget(server) }
  }

  private func forget(_ server: ServerRecord) {
    for listener in server.listeners { _ = remove(socket: listener.id) }
  }

  /// Returns whether there was room for it.
  func add(_ socket: SocketRecord) -> Bool {
    guard sockets.withLock({ $0.insert(socket, id: socket.id) }) else { return false }
    connections(of: socket)?.insert(socket)
    return true
  }

  func remove(socket id: Int) -> SocketRecord? {
    guard let socket = sockets.withLock({ $0.remove(id) }) else { return nil }
    connections(of: socket)?.remove(socket)
    return socket
  }

  private func connections(of socket: SocketRecord) -> ConnectionTable? {
    switch socket.owner {
    case .subchannel: clientConnections
    case .server: serverConnections
    case .listener: nil
    }
  }
}
