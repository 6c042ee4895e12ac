import Foundation
import Volery

/// Two servers, and a file with the port of one of them, then of both, then of none: a channel to `ports:///FILE` follows.
@main
struct Program {
  static let name = Method<[UInt8], [UInt8]>(service: "demo.Names", name: "Name", kind: .unary)

  struct Names: Service {
    let name: String
    var handlers: [MethodHandler] { [.unary(Program.name) { [name] _, _ in Array(name.utf8) }] }
  }

  static func main() async throws {
    let servers = ["ada", "bob"].map { Server(services: [Names(name: $0)]) }
    let ports = try servers.map { server in
      guard case .tcp(_, let port) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { fatalError() }
      return port
    }
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("ports-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    func write(_ ports: [Int]) throws {
      try ports.map { "\($0)\n" }.joined().write(to: file, atomically: true, encoding: .utf8)
    }

    var options = ChannelOptions()
    options.resolvers.register(PortsResolverFactory())
    let channel = try Channel("ports://\(file.path)", options: options)
    try write([ports[0]])
    print("one port:", try await names(channel, until: ["ada"]))
    try write(ports)
    print("two ports:", try await names(channel, until: ["ada", "bob"]))
    try write([ports[1]])
    print("the other one:", try await names(channel, until: ["bob"]))
    for server in servers { await server.drain() }
  }

  /// Who answers eight calls, as soon as it is these.
  static func names(_ channel: Channel, until wanted: Set<String>) async throws -> String {
    while true {
      var found: Set<String> = []
      for _ in 0..<8 {
        let options = CallOptions(timeout: .seconds(10), waitForReady: true)
        found.insert(String(decoding: try await channel.unary(name, [], options: options).message, as: UTF8.self))
      }
      if found == wanted { return found.sorted().joined(separator: " and ") }
    }
  }
}
