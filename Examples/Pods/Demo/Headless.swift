import ArgumentParser
import PodsShared
import Volery

/// Five pods behind one DNS name, called with no option set; then one more, one less, and all of them replaced one after the
/// other. 1-N.
struct Headless: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "two", abstract: "A headless Service: 1-N.")

  @OptionGroup var options: StageOptions

  func run() async throws {
    var play = Play(Stage(options))
    defer { play.stage.stopAll() }
    for number in 1...5 { try play.stage.start(.pod(number)) }
    try play.stage.publish()
    try await play.stage.waitUntilKnown(.pod)
    let channel = try Channel("dns:///pods.test:50051")
    try await play.run("demo", clients: [channel], rate: options.rate) { [calls = options.calls] play in
      try await play.begin { $0.calls.count == 5 }
      let page = try await play.show("five pods behind one name") { $0.total >= calls }
      play.verdict.even(page.calls, of: 5, "pods", within: 1)
      play.verdict.noFailures(page, "with five pods")
      try await play.addPod(6, "a sixth pod")
      try await play.removePod(6, "the sixth pod leaves the name, and lives")
      try await play.replacePods("all five replaced, one after the other")
    }
    channel.close()
  }
}
