import Volery

/// Who gets which share of a channel's calls, as an observer of the channel sees it, beside what the servers' own observers
/// have counted.
@main
struct ServerShare {
  static let echo = Method<[UInt8], [UInt8]>(service: "demo.Echo", name: "Echo", kind: .unary)

  struct Echo: Service {
    var handlers: [MethodHandler] { [.unary(ServerShare.echo) { request, _ in request }] }
  }

  static func main() async throws {
    var servers: [(server: Server, address: SocketAddress, served: Served)] = []
    for _ in 0..<3 {
      let served = Served()
      var options = ServerOptions()
      options.observers = [served]
      let server = Server(services: [Echo()], options: options)
      servers.append((server, try server.start(listeningOn: .tcp("127.0.0.1", 0))[0], served))
    }
    let share = Share()
    var options = ChannelOptions()
    options.observers = [share]
    let targets = servers.map(\.address.description).joined(separator: ",")
    let channel = try Channel("ipv4:\(targets)", options: options)
    for number in 0..<300 { _ = try await channel.unary(echo, [UInt8(number % 256)]) }
    channel.close()
    for (server, address, served) in servers {
      await server.drain()
      print("share: \(share.calls[address, default: 0]), served: \(served.calls[.ok, default: 0])")
    }
  }
}
