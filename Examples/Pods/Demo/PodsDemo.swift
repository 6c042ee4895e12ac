import ArgumentParser
import PodsShared
import Volery

/// The demo: five pods behind one DNS name, called with no option set; then one more, one less, and all of them replaced
/// one after the other. Ends with 0 only if the shares were even, the new pod was called in time and no call failed.
@main
struct PodsDemo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pods-demo")

  @Option(help: "The pod program.") var pod: String
  @Option(help: "The hosts file of the DNS server.") var hosts: String
  @Option(help: "The DNS server's process, which reads the file again on SIGHUP.") var dnsPID: Int32
  @Option(help: "The name of the pods.") var name = "pods.test"
  @Option(help: "Calls per second.") var rate = 500
  @Option(help: "Calls over which the shares are judged.") var calls = 5000

  /// The refresh interval of dns: names is 5 s, ±20 %; a new pod is called within that and 250 ms for look-up and connect.
  static let discoveryLimit = Duration.seconds(6) + .milliseconds(250)

  func run() async throws {
    var stage = Stage(pod: pod, hosts: hosts, dnsPID: dnsPID, name: name)
    defer { stage.stopAll() }
    for number in 1...5 { try stage.start(number) }
    try stage.publish()
    let channel = try Channel("dns:///\(name):50051")
    let book = CallBook()
    let steady = Task { [rate] in await book.callSteadily(channel, perSecond: rate) }
    var verdict = Verdict()
    try await even(book, &verdict)
    try await add(book, &stage, &verdict)
    try await remove(book, &stage, &verdict)
    try await replaceAll(book, &stage, &verdict)
    steady.cancel()
    await steady.value
    verdict.noFailures(book.current, "at the end")
    writeLine("")
    for line in verdict.lines { writeLine(line) }
    writeLine(verdict.isGood ? "demo: everything as promised" : "demo: NOT as promised")
    if !verdict.isGood { throw ExitCode(1) }
  }

  /// Shows the table until `isDone` says so, 30 seconds at the most.
  private func show(_ title: String, _ book: CallBook, until isDone: (CallBook.Page) -> Bool) async throws
    -> CallBook.Page
  {
    var table = LiveTable()
    for _ in 0..<300 where !isDone(book.current) {
      try await Task.sleep(for: .milliseconds(100))
      table.draw(book.current.table(title))
    }
    let page = book.turnPage()
    table.keep(page.table(title))
    return page
  }

  private func even(_ book: CallBook, _ verdict: inout Verdict) async throws {
    let page = try await show("five pods behind one name", book) { $0.total >= calls }
    let shares = page.calls.values.map { 100 * Double($0) / Double(page.total) }
    let isEven = page.calls.count == 5 && shares.allSatisfy { abs($0 - 20) <= 1 }
    let low = ((shares.min() ?? 0) * 100).rounded() / 100
    let high = ((shares.max() ?? 0) * 100).rounded() / 100
    verdict.add(isEven, "five pods share \(page.total) calls: \(low) % to \(high) % each (20 ± 1)")
    verdict.noFailures(page, "with five pods")
  }

  private func add(_ book: CallBook, _ stage: inout Stage, _ verdict: inout Verdict) async throws {
    try stage.start(6)
    try stage.publish()
    let published = ContinuousClock.now
    let page = try await show("a sixth pod", book) { $0.calls["pod-6", default: 0] >= 100 }
    let wait = page.firstCall["pod-6"].map { published.duration(to: $0) }
    verdict.add(
      wait.map { $0 <= PodsDemo.discoveryLimit } ?? false,
      "the new pod's first call came \(wait?.text ?? "never") after its DNS record (at most \(PodsDemo.discoveryLimit.text))"
    )
    verdict.noFailures(page, "while a pod was added")
  }

  private func remove(_ book: CallBook, _ stage: inout Stage, _ verdict: inout Verdict) async throws {
    stage.withdraw(6)
    try stage.publish()
    let published = ContinuousClock.now
    let page = try await show("the sixth pod leaves the name, and lives", book) { page in
      published.duration(to: .now) > PodsDemo.discoveryLimit + .seconds(1)
    }
    let last = page.lastCall["pod-6"].map { published.duration(to: $0) } ?? .zero
    verdict.add(last <= PodsDemo.discoveryLimit, "the removed pod's last call came \(last.text) after the DNS change")
    verdict.noFailures(page, "while a pod was removed")
    stage.stop(6)
  }

  private func replaceAll(_ book: CallBook, _ stage: inout Stage, _ verdict: inout Verdict) async throws {
    for number in 1...5 {
      try stage.start(number + 10)
      stage.withdraw(number)
      try stage.publish()
      stage.stop(number)
      try await Task.sleep(for: .seconds(2))
    }
    let page = try await show("all five replaced, one after the other", book) { page in
      (11...15).allSatisfy { page.calls["pod-\($0)", default: 0] > 0 }
    }
    let used = (11...15).filter { page.calls["pod-\($0)", default: 0] > 0 }.count
    verdict.add(used == 5, "\(used) of 5 new pods were called during the rolling restart")
    verdict.noFailures(page, "of \(page.total) calls during the rolling restart")
  }
}

/// What was promised and what came of it.
struct Verdict {
  private(set) var lines: [String] = []
  private(set) var isGood = true

  mutating func add(_ isMet: Bool, _ text: String) {
    lines.append("  \(isMet ? "ok  " : "FAIL") \(text)")
    if !isMet { isGood = false }
  }

  mutating func noFailures(_ page: CallBook.Page, _ when: String) {
    add(
      page.failures.isEmpty, "\(page.failures.count) calls failed \(when)\(page.failures.first.map { ": \($0)" } ?? "")"
    )
  }
}
