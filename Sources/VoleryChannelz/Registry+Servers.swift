import VoleryObservation
import VoleryTypes

extension Registry {
  /// What a server tells, as records have it.
  func happened(_ event: ServerEvent, to server: ObservedServer, at time: WallClockTime) {
    switch event {
    case .listening(let addresses): listens(record(of: server, time), on: addresses, time)
    case .connectionRefused(let client, let reason):
      let name = client.map { " from \($0)" } ?? ""
      self.server(server.id)?.log("refused a connection\(name): \(reason)", .warning, at: time)
    case .connectionOpened(let id, let peer):
      guard let record = record(of: server, time) else { return }
      let socket = SocketRecord(id: id, peer: peer, owner: .server(record))
      if add(socket) { record.opened(socket) }
    case .connectionClosed(let id, _, _, _, _):
      guard let socket = remove(socket: id), case .server(let record) = socket.owner else { return }
      record.closed(id)
    case .draining(let calls): self.server(server.id)?.log("draining, with \(calls) calls", at: time)
    case .stopped: removeServer(server.id)
    }
  }

  /// One within the process has no other beginning than its first connection.
  private func record(of server: ObservedServer, _ time: WallClockTime) -> ServerRecord? {
    self.server(server.id) { ServerRecord(server, options, at: time) }
  }

  private func listens(_ server: ServerRecord?, on addresses: [SocketAddress], _ time: WallClockTime) {
    guard let server else { return }
    for address in addresses {
      let socket = SocketRecord(listeningOn: address)
      if add(socket) { server.listens(on: socket) }
      server.log("listening on \(address)", at: time)
    }
  }
}
