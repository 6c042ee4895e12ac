import ArgumentParser
import PodsShared
import Volery

/// Three clients, two proxies, five pods, all found by name; a rolling restart of the proxies under load, one more pod behind
/// them, and a rolling restart of the pods. 1-M-N.
struct ThroughProxies: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "three", abstract: "Proxies between the clients and the pods: 1-M-N.")

  @OptionGroup var options: StageOptions

  func run() async throws {
    var play = Play(Stage(options)) { page, title in
      page.table(title, "proxy", by: ThroughProxies.proxy) + Array(page.table(title).dropFirst())
    }
    defer { play.stage.stopAll() }
    for number in 1...5 { try play.stage.start(.pod(number)) }
    try play.stage.publish()
    try await play.stage.waitUntilKnown(.pod)
    for number in 1...2 { try play.stage.start(.proxy(number)) }
    try play.stage.publish()
    try await play.stage.waitUntilKnown(.proxy)
    let clients = try (1...3).map { _ in try Channel("dns:///proxies.test:8080") }
    try await play.run("demo 3", clients: clients, rate: options.rate) { [calls = options.calls] play in
      try await play.begin { page in
        page.counts(by: { "\($0.client) > \($0.address)" }).count == 6
          && page.counts(by: { "\($0.address) > \($0.pod)" }).count == 10
      }
      let page = try await play.show("three clients, two proxies, five pods") { $0.total >= calls }
      play.verdict.even(page.counts(by: ThroughProxies.proxy), of: 2, "proxies", within: 2.5)
      play.verdict.even(page.calls, of: 5, "pods behind them", within: 1)
      play.verdict.noFailures(page, "with two proxies and five pods")
      try await replaceProxies(&play)
      try await play.addPod(6, "a sixth pod behind the proxies")
      try await play.removePod(6, "the sixth pod leaves the name, and lives")
      try await play.replacePods("all five pods replaced, one after the other")
    }
    for client in clients { client.close() }
  }

  /// `proxy-1`, by the address that the connection led to.
  private static func proxy(_ way: CallBook.Way) -> String {
    (1...20).map(Place.proxy).first { $0.address == way.address }?.description ?? way.address
  }

  private func replaceProxies(_ play: inout Play) async throws {
    let new = (11...12).map(Place.proxy)
    func used(_ page: CallBook.Page) -> Int {
      let counts = page.counts(by: ThroughProxies.proxy)
      return new.count { counts["\($0)", default: 0] > 0 }
    }
    let page = try await play.replace((1...2).map(Place.proxy), by: new, "both proxies replaced, one after the other") {
      used($0) == 2
    }
    play.verdict.add(used(page) == 2, "\(used(page)) of 2 new proxies were called during their rolling restart")
    play.verdict.noFailures(page, "of \(page.total) calls during the rolling restart of the proxies")
  }
}
