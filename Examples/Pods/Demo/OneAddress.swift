import ArgumentParser
import PodsShared
import Volery

/// Five pods behind one address, as a Service with a cluster IP has it: each client sticks to the pod that its connection leads
/// to, and its channel says so. No call is lost even so. 1-1.
struct OneAddress: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "one", abstract: "One address in front of the pods: 1-1.")

  @OptionGroup var options: StageOptions

  func run() async throws {
    var play = Play(Stage(options, hasClusterIP: true)) { page, title in
      page.table(title, "client > pod", by: OneAddress.pair) + [page.summary]
    }
    defer { play.stage.stopAll() }
    for number in 1...5 { try play.stage.start(.pod(number)) }
    try play.stage.start(.clusterIP)
    try play.stage.publish()
    try await play.stage.waitUntilKnown(.pod)
    let notes = ChannelNotes()
    var channelOptions = ChannelOptions()
    channelOptions.logger = notes.logger
    let clients = try (1...3).map { _ in try Channel("dns:///pods.test:50051", options: channelOptions) }
    try await play.run("demo 1", clients: clients, rate: options.rate) { [calls = options.calls] play in
      try await stick(&play, calls: calls)
      say(notes, clients.count, &play)
      try await overlook(&play)
      try await replace(&play)
    }
    for client in clients { client.close() }
  }

  static func pair(_ way: CallBook.Way) -> String { "\(way.client) > \(way.pod)" }

  private func stick(_ play: inout Play, calls: Int) async throws {
    let page = try await play.show("three clients, five pods, one address") { $0.total >= calls }
    let pairs = page.counts(by: OneAddress.pair).count
    play.verdict.add(pairs == 3, "each of 3 clients stuck to one pod: \(page.calls.count) of 5 pods had all the calls")
    play.verdict.noFailures(page, "of \(page.total)")
  }

  /// What the log of a client in Kubernetes has.
  private func say(_ notes: ChannelNotes, _ count: Int, _ play: inout Play) {
    let warnings = notes.lines.filter { $0.contains("if this is a ClusterIP, all calls go to one pod") }
    if let warning = warnings.first { writeLine("  the channel's log: \(warning)") }
    play.verdict.add(warnings.count == count, "\(warnings.count) of \(count) channels said so in their log")
  }

  private func overlook(_ play: inout Play) async throws {
    try play.stage.start(.pod(6))
    try play.stage.publish()
    let start = ContinuousClock.now
    let page = try await play.show("a sixth pod, which nobody looks for") { _ in
      start.duration(to: .now) > Play.discoveryLimit
    }
    play.verdict.add(
      page.calls["pod-6"] == nil,
      "the new pod had \(page.calls["pod-6", default: 0]) calls: connections stay where they are")
    play.verdict.noFailures(page, "while a pod was added")
  }

  private func replace(_ play: inout Play) async throws {
    let old = (1...6).map(Place.pod)
    let new = (11...16).map(Place.pod)
    let page = try await play.replace(old, by: new, "all six replaced, one after the other") { !$0.ways.isEmpty }
    let last = try await play.show("after the rolling restart") { $0.total >= 1000 }
    let pairs = last.counts(by: OneAddress.pair).count
    play.verdict.add(
      pairs == 3, "each of 3 clients sticks to one new pod: \(last.calls.keys.sorted().joined(separator: ", "))")
    play.verdict.noFailures(page, "of \(page.total) calls during the rolling restart")
    play.verdict.noFailures(last, "of \(last.total) calls after it")
  }
}
