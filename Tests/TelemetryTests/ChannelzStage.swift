import Foundation
import TestSupport
import Testing
import Volery
import VoleryChannelz

/// What grpcio-channelz's client has read (Tests/Interop/channelz.py).
struct ChannelzDump: Decodable {
  struct Event: Decodable {
    let text: String
    let severity: String
    /// Of a subchannel; 0: none.
    let child: Int
  }
  struct Calls: Decodable {
    let started, succeeded, failed, logged: Int
    let hasTime: Bool
    let events: [Event]
  }
  struct Socket: Decodable {
    let id, keepalives, maxStreams: Int
    let local, remote, cipher: String
    /// Started, succeeded, failed.
    let streams: [Int]
    /// Sent, received.
    let messages: [Int]
    /// Of the last stream opened here, there, the last message sent, received: whether there is one.
    let times: [Bool]
    let windows, certificates: [Int]
  }
  struct Subchannel: Decodable {
    let id: Int
    let target, state: String
    let data: Calls
    let sockets: [Socket]
  }
  struct Channel: Decodable {
    let id: Int
    let target, state: String
    let data: Calls
    let subchannels: [Subchannel]
  }
  struct Server: Decodable {
    let id: Int
    let data: Calls
    let sockets, listeners: [Socket]
  }

  let channelPages, serverPages: Int
  let channels: [Channel]
  let servers: [Server]

  var ids: [Int] {
    var ids: [Int] = channels.map(\.id)
    for subchannel in channels.flatMap(\.subchannels) {
      ids.append(subchannel.id)
      ids += subchannel.sockets.map(\.id)
    }
    for server in servers {
      ids.append(server.id)
      ids += server.sockets.map(\.id)
      ids += server.listeners.map(\.id)
    }
    return ids
  }
}

/// A program with a channelz that is asked by grpcio's client, on a server that it does not look at.
struct ChannelzStage {
  let channelz: Channelz
  let asked: Server
  let address: SocketAddress

  init(_ options: ChannelzOptions = ChannelzOptions()) throws {
    channelz = Channelz(options: options)
    asked = Server(services: [channelz])
    address = try asked.start(listeningOn: .tcp("127.0.0.1", 0))[0]
  }

  func stop() { asked.shutDown() }

  var serverOptions: ServerOptions {
    var options = ServerOptions()
    options.observers = [channelz]
    return options
  }

  var channelOptions: ChannelOptions {
    var options = ChannelOptions()
    options.observers = [channelz]
    // Its calls are counted by the servers, and not by the channel.
    options.checksHealth = false
    return options
  }

  private func ask(_ words: String...) throws -> String {
    let script = PythonTraceTests.script("channelz.py")
    let (output, code) = try ChildProcess.run([PythonTraceTests.python(), script, "\(address)"] + words)
    try #require(code == 0, "\(words): \(output)")
    return output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func dump(pageSize: Int = 100) throws -> ChannelzDump {
    try JSONDecoder().decode(ChannelzDump.self, from: Data(ask("dump", "\(pageSize)").utf8))
  }

  /// Method, what was asked, code.
  func codes() throws -> [[String]] { try JSONDecoder().decode([[String]].self, from: Data(ask("codes").utf8)) }

  func code(ofSocket id: Int) throws -> String { try ask("socket", "\(id)") }
}
