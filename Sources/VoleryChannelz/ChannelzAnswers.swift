import VoleryServer
import VoleryTypes

/// What the service answers: of ids that are unknown, or gone, NOT_FOUND.
struct ChannelzAnswers: WireChannelzService {
  private let registry: Registry

  init(_ registry: Registry) { self.registry = registry }

  /// So much of a page at least, in bytes, ends it: a client takes 4 MiB by default.
  private static let pageByteCount = 1 << 20

  package func getTopChannels(
    _ request: WireGetTopChannelsRequest, context: ServerContext
  ) async throws -> WireGetTopChannelsResponse {
    let limit = try limit(request.maxResults)
    let page = registry.channels(from: Int(request.startChannelID), limit: limit)
    let (channels, isWhole) = ChannelzAnswers.fit(page.entities.lazy.map { (WireChannel($0), $0.weight) })
    return WireGetTopChannelsResponse(channel: channels, end: page.isLast && isWhole)
  }

  package func getServers(
    _ request: WireGetServersRequest, context: ServerContext
  ) async throws -> WireGetServersResponse {
    let limit = try limit(request.maxResults)
    let page = registry.servers(from: Int(request.startServerID), limit: limit)
    let (servers, isWhole) = ChannelzAnswers.fit(page.entities.lazy.map { (WireServer($0), $0.weight) })
    return WireGetServersResponse(server: servers, end: page.isLast && isWhole)
  }

  package func getServer(
    _ request: WireGetServerRequest, context: ServerContext
  ) async throws -> WireGetServerResponse {
    guard let server = registry.server(Int(request.serverID)) else { throw unknown("server", request.serverID) }
    return WireGetServerResponse(server: WireServer(server))
  }

  package func getServerSockets(
    _ request: WireGetServerSocketsRequest, context: ServerContext
  ) async throws -> WireGetServerSocketsResponse {
    let limit = try limit(request.maxResults)
    guard let server = registry.server(Int(request.serverID)) else { throw unknown("server", request.serverID) }
    let page = server.connections(from: Int(request.startSocketID), limit: limit)
    return WireGetServerSocketsResponse(socketRef: page.entities.map(WireSocketRef.init), end: page.isLast)
  }

  package func getChannel(
    _ request: WireGetChannelRequest, context: ServerContext
  ) async throws -> WireGetChannelResponse {
    guard let channel = registry.channel(Int(request.channelID)) else { throw unknown("channel", request.channelID) }
    return WireGetChannelResponse(channel: WireChannel(channel))
  }

  package func getSubchannel(
    _ request: WireGetSubchannelRequest, context: ServerContext
  ) async throws -> WireGetSubchannelResponse {
    guard let subchannel = registry.subchannel(Int(request.subchannelID)) else {
      throw unknown("subchannel", request.subchannelID)
    }
    return WireGetSubchannelResponse(subchannel: WireSubchannel(subchannel))
  }

  package func getSocket(
    _ request: WireGetSocketRequest, context: ServerContext
  ) async throws -> WireGetSocketResponse {
    guard let socket = registry.socket(Int(request.socketID)) else { throw unknown("socket", request.socketID) }
    return WireGetSocketResponse(socket: WireSocket(socket, await socket.figures()))
  }

  // MARK: Steps

  private func unknown(_ kind: String, _ id: Int64) -> StatusError {
    StatusError(.notFound, "there is no \(kind) \(id), or it is gone")
  }

  private func limit(_ maxResults: Int64) throws -> Int {
    guard maxResults >= 0 else {
      throw StatusError(.invalidArgument, "max_results is \(maxResults), which must not be negative")
    }
    let most = max(registry.options.maxPageSize, 1)
    return maxResults == 0 ? most : Int(min(maxResults, Int64(most)))
  }

  /// As many as a response may have, one at least; and whether these are all.
  private static func fit<Message>(
    _ messages: some Sequence<(message: Message, weight: Int)>
  ) -> (messages: [Message], isWhole: Bool) {
    var fitting: [Message] = []
    var byteCount = 0
    for (message, weight) in messages {
      guard byteCount < pageByteCount else { return (fitting, false) }
      byteCount += weight
      fitting.append(message)
    }
    return (fitting, true)
  }
}
