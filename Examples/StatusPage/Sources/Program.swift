import Foundation
import Volery
import VoleryStatus

/// Four pods, a channel that calls them all the time, and a page that shows it:
///
///     StatusDemo [PORT [TARGET...]]
///
/// The page is at http://127.0.0.1:8080/, or on that port (0: any that is free). A line `add` on standard input starts one more pod,
/// `stop` drains the oldest. Of further targets the page shows how they can be reached.
@main
struct Program {
  static func main() async throws {
    let page = StatusPage()
    let pods = Pods(page)
    for _ in 0..<4 { try pods.add() }

    var options = ChannelOptions()
    options.observers = [page]
    options.resolvers.register(pods.resolver)
    let channel = try Channel("pods:///quotes", options: options)
    let others = try CommandLine.arguments.dropFirst(2).map { try Channel($0, options: options) }
    for other in others { other.connect() }

    let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 8080
    try await withThrowingTaskGroup { group in
      for _ in 0..<8 { group.addTask { try await call(channel) } }
      group.addTask { try await StatusServer.run(page, port: port) }
      let input = Thread.lines()
      group.addTask {
        for await line in input {
          switch line {
          case "add": try pods.add()
          case "stop": await pods.stopOldest()
          default: print("add, stop: not '\(line)'")
          }
        }
        try await Task.sleep(for: .seconds(1_000_000))
      }
      // Whoever ends first (the page, by a signal) ends it all.
      try await group.next()
      group.cancelAll()
    }
    channel.close()
  }

  static func call(_ channel: Channel) async throws {
    let options = CallOptions(timeout: .seconds(5), waitForReady: true)
    while !Task.isCancelled {
      let method = Bool.random() ? Pods.quote : Pods.order
      _ = try? await channel.unary(method, [1, 2, 3], options: options)
      try await Task.sleep(for: .milliseconds(.random(in: 5..<40)))
    }
  }
}
