import Foundation
import TestSupport
import Testing
import Volery
import VoleryChannelz
import VoleryObservation
import VoleryTypes

/// What channelz says, asked by our own client.
@Suite("channelz", .timeLimit(.minutes(2))) struct ChannelzTests {
  /// A channel to a server of the service, within the process.
  static func asking<Answer>(
    _ channelz: Channelz, _ body: (Channel) async throws -> Answer
  ) async throws -> Answer {
    let server = Server(services: [channelz])
    defer { server.shutDown() }
    let name = "channelz-\(UUID())"
    try server.start(listeningOn: .inProcess(name))
    let channel = try Channel("in-process:\(name)")
    defer { channel.close() }
    return try await body(channel)
  }

  static func channels(_ asking: Channel) async throws -> [WireChannel] {
    try await asking.unary(WireChannelzMethods.getTopChannels, WireGetTopChannelsRequest(), options: Subject.timely)
      .message.channel
  }

  static func servers(_ asking: Channel) async throws -> [WireServer] {
    try await asking.unary(WireChannelzMethods.getServers, WireGetServersRequest(), options: Subject.timely)
      .message.server
  }

  static func socket(_ id: Int64, _ asking: Channel) async throws -> WireSocket {
    let request = WireGetSocketRequest(socketID: id)
    let answer = try await asking.unary(WireChannelzMethods.getSocket, request, options: Subject.timely).message
    return try #require(answer.socket)
  }

  static func sockets(of server: WireServer, _ asking: Channel) async throws -> [WireSocket] {
    let request = WireGetServerSocketsRequest(serverID: server.ref?.serverID ?? 0)
    let refs = try await asking.unary(WireChannelzMethods.getServerSockets, request, options: Subject.timely)
      .message.socketRef
    var found: [WireSocket] = []
    for ref in refs { found.append(try await socket(ref.socketID, asking)) }
    return found
  }

  static func sockets(of channel: WireChannel, _ asking: Channel) async throws -> [WireSocket] {
    var found: [WireSocket] = []
    for ref in channel.subchannelRef {
      let request = WireGetSubchannelRequest(subchannelID: ref.subchannelID)
      let answer = try await asking.unary(WireChannelzMethods.getSubchannel, request, options: Subject.timely).message
      for ref in answer.subchannel?.socketRef ?? [] { found.append(try await socket(ref.socketID, asking)) }
    }
    return found
  }

  /// Calls once between a server and a channel that channelz looks at, and gives both ends' sockets.
  func sockets(
    on address: ListenAddress, server: ServerCredentials = .plaintext,
    client: ChannelCredentials = .plaintext
  ) async throws -> (client: WireSocket, server: WireSocket) {
    let channelz = Channelz()
    var serverOptions = ServerOptions()
    serverOptions.observers = [channelz]
    let pod = Server(services: [Subject()], credentials: server, options: serverOptions)
    defer { pod.shutDown() }
    let bound = try pod.start(listeningOn: address)[0]
    var channelOptions = ChannelOptions()
    channelOptions.observers = [channelz]
    let target = if case .tcp = bound { "ipv4:\(bound)" } else { "\(bound)" }
    let channel = try Channel(target, credentials: client, options: channelOptions)
    defer { channel.close() }
    _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
    return try await Self.asking(channelz) { asking in
      let top = try #require(try await Self.channels(asking).first)
      #expect(top.data?.callsSucceeded == 1 && top.data?.callsStarted == 1)
      let here = try #require(try await Self.sockets(of: top, asking).first)
      let shown = try #require(try await Self.servers(asking).first)
      #expect(shown.data?.callsStarted == 1)
      let there = try #require(try await Self.sockets(of: shown, asking).first)
      return (here, there)
    }
  }

  @Test("over TCP: addresses, windows, and the server's limit of streams") func tcp() async throws {
    let (here, there) = try await sockets(on: .tcp("127.0.0.1", 0))
    #expect(here.local == there.remote && here.remote == there.local)
    guard case .tcpipAddress(let address)? = here.remote?.address else { throw NeverHappened("an address of TCP") }
    #expect(address.ipAddress == [127, 0, 0, 1] && address.port > 0)
    #expect(here.security == nil && there.security == nil)
    for data in [here.data, there.data] {
      #expect(data?.streamsStarted == 1 && data?.messagesSent == 1 && data?.messagesReceived == 1)
      #expect(data?.localFlowControlWindow?.value ?? 0 >= 65_535 && data?.remoteFlowControlWindow?.value ?? 0 > 65_535)
      #expect(data?.receivedGoawayError == nil && data?.keepAlivesSent == 0)
    }
    #expect(here.data?.peerMaxConcurrentStreams ?? 0 > 0 && there.data?.peerMaxConcurrentStreams == 0)
    #expect(here.data?.lastLocalStreamCreatedTimestamp != nil && here.data?.lastRemoteStreamCreatedTimestamp == nil)
    #expect(there.data?.lastLocalStreamCreatedTimestamp == nil && there.data?.lastRemoteStreamCreatedTimestamp != nil)
  }

  @Test("over IPv6: 16 bytes of an address") func ipv6() async throws {
    let server = SocketAddress.tcp("2001:db8::1", 50051)
    guard case .tcpipAddress(let address)? = WireAddress(server).address else { throw NeverHappened("an address") }
    #expect(address.ipAddress == [0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1])
    #expect(WireAddress(.tcp("fe80::1%lo", 1)).address == WireAddress(.tcp("fe80::1", 1)).address)
  }

  @Test("over a unix socket: its path") func unix() async throws {
    let path = "\(FileManager.default.temporaryDirectory.path)/channelz-\(UUID().uuidString.prefix(8)).sock"
    let (here, there) = try await sockets(on: .unix(path))
    #expect(here.remote?.address == .udsAddress(WireAddress.UdsAddress(filename: path)))
    #expect(there.local?.address == .udsAddress(WireAddress.UdsAddress(filename: path)))
    #expect(there.data?.streamsStarted == 1)
  }

  @Test("within the process: no address but a name, no windows, and both ends") func inProcess() async throws {
    let name = "channelz-\(UUID())"
    let (here, there) = try await sockets(on: .inProcess(name))
    for socket in [here, there] {
      #expect(socket.remote?.address == .otherAddress(WireAddress.OtherAddress(name: "in-process:\(name)")))
      #expect(socket.data?.streamsStarted == 1 && socket.data?.messagesSent == 1)
      #expect(socket.data?.localFlowControlWindow == nil && socket.security == nil)
    }
    #expect(here.ref?.socketID != there.ref?.socketID)
  }

  @Test("over TLS: the cipher, and the certificates of both ends as each of them sees them", arguments: [false, true])
  func tls(_ isMutual: Bool) async throws {
    let roots = TLSRoots.file(TestCertificates.path("ca.crt"))
    func pair(_ name: String) -> TLSKeyPair {
      .pair(
        certificate: .file(TestCertificates.path("\(name).crt")), key: .file(TestCertificates.path("\(name).key")))
    }
    let (here, there) = try await sockets(
      on: .tcp("127.0.0.1", 0),
      server: .tls(
        certificate: pair("server").certificate, key: pair("server").key,
        clients: isMutual ? .required(roots) : .notAsked),
      client: .tls(roots: roots, identity: isMutual ? pair("client") : nil))
    guard case .tls(let ours)? = here.security?.model, case .tls(let theirs)? = there.security?.model else {
      throw NeverHappened("both are secure")
    }
    #expect(ours.cipherSuite == theirs.cipherSuite)
    guard case .standardName(let cipher)? = ours.cipherSuite else { throw NeverHappened("a cipher") }
    #expect(cipher.hasPrefix("TLS_"))
    #expect(!ours.remoteCertificate.isEmpty && ours.remoteCertificate == theirs.localCertificate)
    #expect(ours.localCertificate == theirs.remoteCertificate && ours.localCertificate.isEmpty == !isMutual)
  }

  @Test("a server's goodbye is seen on the client's socket while its calls end") func goAway() async throws {
    let channelz = Channelz()
    var options = ChannelOptions()
    options.observers = [channelz]
    let server = Server(services: [Subject()])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let channel = try Channel("ipv4:\(address)", options: options)
    defer { channel.close() }
    // Keeps its connection open until it is over.
    let chat = channel.bidirectional(Subject.chat, options: Subject.timely)
    try await chat.send([1])
    var answers = chat.makeAsyncIterator()
    _ = try await answers.next()
    try await Self.asking(channelz) { asking in
      let socket = try #require(try await Self.sockets(of: Self.channels(asking)[0], asking).first)
      let id = try #require(socket.ref?.socketID)
      async let drained: Void = server.drain(limit: .seconds(20))
      try await eventually("the GOAWAY is seen") {
        try await Self.socket(id, asking).data?.receivedGoawayError != nil
      }
      #expect(try await Self.socket(id, asking).data?.receivedGoawayError?.value == 0)
      chat.finish()
      await drained
    }
  }

  @Test("nothing of messages, metadata or tokens is in what channelz says; what a server says of its failure is cut")
  func secrets() async throws {
    let channelz = Channelz()
    struct Telling: Service {
      var handlers: [MethodHandler] {
        [
          .unary(Subject.echo) { _, _ in
            throw StatusError(.unavailable, "s3cret-status", metadata: ["x-trailing-secret": "s3cret-value"])
          }
        ]
      }
    }
    var serverOptions = ServerOptions()
    serverOptions.observers = [channelz]
    let server = Server(services: [Telling()], options: serverOptions)
    defer { server.shutDown() }
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    var options = ChannelOptions()
    options.observers = [channelz]
    let channel = try Channel("ipv4:\(address)", options: options)
    defer { channel.close() }
    var callOptions = Subject.timely
    callOptions.metadata = ["authorization": "Bearer s3cret-token", "x-key-s3cret": "1"]
    for _ in 0..<10 {
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.echo, Array("s3cret-payload".utf8), options: callOptions)
      }
    }
    let text = try await Self.asking(channelz) { asking in
      let channels = try await Self.channels(asking)
      let servers = try await Self.servers(asking)
      var all = "\(channels)\(servers)"
      for socket in try await Self.sockets(of: channels[0], asking) { all += "\(socket)" }
      for ref in channels[0].subchannelRef {
        let request = WireGetSubchannelRequest(subchannelID: ref.subchannelID)
        all += "\(try await asking.unary(WireChannelzMethods.getSubchannel, request, options: Subject.timely).message)"
      }
      return all
    }
    #expect(text.contains("ejected"), "that its calls fail is said")
    #expect(!text.contains("s3cret"))
  }
}
