import TestSupport
import Testing
import Volery
import VoleryChannelz
import VoleryObservation
import VoleryTypes

/// What comes and goes leaves nothing behind, and what is there at once is bounded.
@Suite("Limits of channelz", .timeLimit(.minutes(2))) struct ChannelzLimitTests {
  static func peer(_ number: Int) -> Peer {
    Peer(address: .tcp("10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)", 50051))
  }

  /// A channel with one subchannel, one connection and one call on it, as channelz hears of them.
  static func connect(_ channelz: Channelz, _ number: Int) -> (channel: ObservedChannel, connection: ObservedConnection)
  {
    let channel = ObservedChannel(target: "dns:///pod-\(number)", authority: "pod")
    let peer = peer(number)
    channelz.happened(.created, to: channel)
    channelz.happened(.resolved(endpoints: [Endpoint(peer.address)]), to: channel)
    channelz.happened(.subchannelCreated(id: number, Endpoint(peer.address)), to: channel)
    let connection = ObservedConnection(id: ObservedID.next(), subchannel: number, address: peer.address)
    channelz.happened(.connecting(connection), to: channel)
    channelz.happened(.connected(connection, peer: peer, after: .zero), to: channel)
    return (channel, connection)
  }

  static func end(_ channelz: Channelz, _ channel: ObservedChannel, _ connection: ObservedConnection) {
    channelz.happened(.closed, to: channel)
    channelz.happened(.subchannelRemoved(id: connection.subchannel), to: channel)
    channelz.happened(.disconnected(connection, .unwanted, reason: "closed", streams: 1, after: .zero), to: channel)
  }

  @Test("5,000 channels and server connections that come and go leave nothing, and no more than are there at once")
  func churn() {
    let channelz = Channelz()
    let server = ObservedServer()
    channelz.happened(.listening([.tcp("127.0.0.1", 50051)]), to: server)
    var open: [(channel: ObservedChannel, connection: ObservedConnection, accepted: Int, peer: Peer)] = []
    for number in 0..<5000 {
      let (channel, connection) = Self.connect(channelz, number)
      let (accepted, peer) = (ObservedID.next(), Self.peer(number))
      channelz.happened(.connectionOpened(id: accepted, peer), to: server)
      channelz.happened(.connectionRefused(peer.address, reason: "not HTTP/2"), to: server)
      open.append((channel, connection, accepted, peer))
      if open.count > 50 {
        let oldest = open.removeFirst()
        Self.end(channelz, oldest.channel, oldest.connection)
        channelz.happened(
          .connectionClosed(id: oldest.accepted, oldest.peer, reason: "lost", streams: 1, after: .zero), to: server)
      }
    }
    #expect(channelz.kept == KeptCount(channels: 50, subchannels: 50, servers: 1, sockets: 101, connections: 100))
    for one in open {
      Self.end(channelz, one.channel, one.connection)
      channelz.happened(
        .connectionClosed(id: one.accepted, one.peer, reason: nil, streams: 1, after: .zero), to: server)
    }
    #expect(channelz.kept == KeptCount(servers: 1, sockets: 1))
    channelz.happened(.stopped, to: server)
    #expect(channelz.kept == KeptCount())
  }

  @Test("beyond the limits nothing more is kept, and calls are counted all the same") func limits() throws {
    var options = ChannelzOptions()
    options.maxChannels = 3
    options.maxSubchannels = 2
    options.maxSockets = 4
    options.maxServers = 1
    let channelz = Channelz(options: options)
    let open = (0..<100).map { Self.connect(channelz, $0) }
    let servers = (0..<10).map { _ in ObservedServer() }
    for server in servers { channelz.happened(.listening([.tcp("127.0.0.1", 1), .tcp("::1", 1)]), to: server) }
    #expect(channelz.kept == KeptCount(channels: 3, subchannels: 2, servers: 1, sockets: 4, connections: 3))
    // The third channel has no subchannel that is kept, and its call no socket of one.
    let call = ObservedCall(channel: open[2].channel, method: Subject.echo.descriptor, deadline: .none)
    #expect(channelz.callStarted(call) != nil)
    #expect(
      channelz.callStarted(
        ObservedCall(channel: open[3].channel, method: Subject.echo.descriptor, deadline: .none)) == nil)
    for (channel, connection) in open { Self.end(channelz, channel, connection) }
    for server in servers { channelz.happened(.stopped, to: server) }
    #expect(channelz.kept == KeptCount())
    // There is room again.
    let (channel, connection) = Self.connect(channelz, 1000)
    #expect(channelz.kept == KeptCount(channels: 1, subchannels: 1, sockets: 1, connections: 1))
    Self.end(channelz, channel, connection)
  }

  @Test("channels and servers that are let go of without a word are gone") func abandoned() async throws {
    let channelz = Channelz()
    do {
      let (channel, _) = Self.connect(channelz, 1)
      let server = ObservedServer()
      channelz.happened(.listening([.tcp("127.0.0.1", 50051)]), to: server)
      #expect(channelz.kept.channels == 1 && channelz.kept.servers == 1)
      withExtendedLifetime((channel, server)) {}
    }
    try await ChannelzTests.asking(channelz) { asking in
      let channels = try await ChannelzTests.channels(asking)
      let servers = try await ChannelzTests.servers(asking)
      #expect(channels.isEmpty && servers.isEmpty)
    }
    #expect(channelz.kept.subchannels == 0 && channelz.kept.channels == 0 && channelz.kept.servers == 0)
  }

  @Test("300 channels of real connections come and go, over sockets and within the process, and leave nothing")
  func realConnections() async throws {
    let channelz = Channelz()
    var options = ServerOptions()
    options.observers = [channelz]
    let server = Server(services: [Subject()], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0), .inProcess("channelz-churn"))[0]
    var channelOptions = ChannelOptions()
    channelOptions.observers = [channelz]
    for number in 0..<300 {
      let target = number % 3 == 0 ? "in-process:channelz-churn" : "ipv4:\(address)"
      let channel = try Channel(target, options: channelOptions)
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      channel.close()
    }
    try await eventually("only what is listened on is left") {
      channelz.kept == KeptCount(servers: 1, sockets: 2)
    }
    try await ChannelzTests.asking(channelz) { asking in
      let shown = try #require(try await ChannelzTests.servers(asking).first)
      #expect(shown.data?.callsStarted == 300 && shown.data?.callsSucceeded == 300)
      #expect(shown.data?.trace?.events.count ?? 100 <= 32)
    }
    await server.drain(limit: .seconds(5))
    #expect(channelz.kept == KeptCount())
  }

  @Test("a page ends before it is too large for a client, and the next goes on") func largePages() async throws {
    var options = ChannelzOptions()
    options.maxTraceEvents = 1000
    options.maxPageSize = 1000
    let channelz = Channelz(options: options)
    let channels = (0..<12).map { ObservedChannel(target: "dns:///\($0)", authority: "a") }
    for channel in channels {
      channelz.happened(.created, to: channel)
      for number in 0..<1000 {
        let text = "\(number)" + String(repeating: "x", count: 300)
        channelz.happened(.resolutionFailed(StatusError(.unavailable, text)), to: channel)
      }
    }
    try await ChannelzTests.asking(channelz) { asking in
      var (seen, pages, start): ([Int64], Int, Int64) = ([], 0, 0)
      while true {
        let request = WireGetTopChannelsRequest(startChannelID: start)
        let page = try await asking.unary(WireChannelzMethods.getTopChannels, request, options: Subject.timely).message
        seen += page.channel.compactMap(\.ref?.channelID)
        pages += 1
        guard !page.end, let last = seen.last, pages < 100 else { break }
        start = last + 1
      }
      #expect(seen == channels.map { Int64($0.id) })
      #expect(pages > 2)
    }
  }

  @Test("a connection whose loop hangs is asked for no longer than the limit, nor longer than who asks waits")
  func hangingLoop() async {
    let gauge = ConnectionGauge(id: 1) { _ in }
    #expect(await gauge.figures(within: .milliseconds(1)) == nil)
    let asking = Task { await gauge.figures(within: .seconds(600)) }
    asking.cancel()
    #expect(await asking.value == nil)
    let quick = ConnectionGauge(id: 2) { $0(ConnectionFigures()) }
    #expect(await quick.figures(within: .seconds(600)) == ConnectionFigures())
  }
}
