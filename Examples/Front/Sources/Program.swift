import ArgumentParser
import Foundation
import Volery

/// An HTTP server in front of the pods: each of its requests is a gRPC call, and a page shows which pod has answered how often.
@main
struct Front: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "front",
    abstract: "HTTP in front of gRPC: /ok, /fail, /stream, and a page at / of the calls for each pod.",
    discussion: "SIGTERM and SIGINT let the requests that run end, and then end the program with 0.")

  @Argument(help: "Where the pods are, for example dns:///pods.test:50051.") var target: String
  @Option(help: "The address to listen on.") var host = "127.0.0.1"
  @Option(help: "The port to listen on; 0: any that is free.") var port = 8080
  @Option(help: "A path in the place of address and port: a Unix domain socket.") var socket: String?
  @Option(help: "Calls per second that it makes without being asked to.") var rate = 0

  func validate() throws {
    guard (0...65535).contains(port) else { throw ValidationError("--port is 0 to 65535") }
    guard (0...10_000).contains(rate) else { throw ValidationError("--rate is 0 to 10000") }
  }

  func run() async throws {
    let channel = try Channel(target)
    let calls = PodCalls(channel)
    let load = Task { [rate] in await calls.callSteadily(perSecond: rate) }
    try await FrontServer(calls, target: target).run(on: socket.map(FrontServer.Place.path) ?? .port(host, port))
    load.cancel()
    await load.value
    channel.close()
  }
}
