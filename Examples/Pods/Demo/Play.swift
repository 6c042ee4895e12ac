import ArgumentParser
import PodsShared
import Volery

/// What a demo is made of: processes on a stage, clients that call all the time, a table of it, and a verdict.
struct Play {
  var stage: Stage
  let book = CallBook()
  var verdict = Verdict()
  /// The lines of the table that is shown while something happens.
  let table: (CallBook.Page, String) -> [String]

  /// The refresh interval of dns: names is 5 s, ±20 %; a new pod is called within that and 250 ms for look-up and connect.
  static let discoveryLimit = Duration.seconds(6) + .milliseconds(250)

  init(_ stage: Stage, table: @escaping (CallBook.Page, String) -> [String] = { $0.table($1) }) {
    self.stage = stage
    self.table = table
  }

  /// Calls with each of the channels while the acts are played, and says what came of it.
  ///
  /// - Throws: An exit code of 1 where a promise was not kept.
  mutating func run(_ name: String, clients: [Channel], rate: Int, acts: (inout Play) async throws -> Void) async throws
  {
    try stage.startFront()
    let calls = clients.enumerated().map { index, channel in
      Task { [book] in
        await book.callSteadily(channel, perSecond: rate / clients.count, as: "client-\(index + 1)")
      }
    }
    try await acts(&self)
    for call in calls { call.cancel() }
    for call in calls { await call.value }
    verdict.noFailures(book.current, "at the end")
    if let report = try stage.frontReport() { verdict.noFailures(report) }
    writeLine("")
    for line in verdict.lines { writeLine(line) }
    writeLine("\(name): \(verdict.isGood ? "everything as promised" : "NOT as promised")")
    if !verdict.isGood { throw ExitCode(1) }
  }

  /// Until all connections are made, 30 seconds at the most. On a busy machine that takes a while, in which calls go where there is
  /// one already: shares are of the time after that.
  mutating func begin(until isConnected: (CallBook.Page) -> Bool) async throws {
    for _ in 0..<300 where !isConnected(book.current) { try await Task.sleep(for: .milliseconds(100)) }
    verdict.noFailures(book.turnPage(), "while connections were made")
  }

  /// Shows the table until `isDone` says so, 30 seconds at the most.
  func show(_ title: String, until isDone: (CallBook.Page) -> Bool) async throws -> CallBook.Page {
    var live = LiveTable()
    for _ in 0..<300 where !isDone(book.current) {
      try await Task.sleep(for: .milliseconds(100))
      live.draw(table(book.current, title))
    }
    let page = book.turnPage()
    live.keep(table(page, title))
    return page
  }

  /// One more pod: it is called in time.
  mutating func addPod(_ number: Int, _ title: String) async throws {
    try stage.start(.pod(number))
    try stage.publish()
    let published = ContinuousClock.now
    let page = try await show(title) { $0.calls["pod-\(number)", default: 0] >= 100 }
    let wait = page.firstCall["pod-\(number)"].map { published.duration(to: $0) }
    verdict.add(
      wait.map { $0 <= Play.discoveryLimit } ?? false,
      "the new pod's first call came \(wait?.text ?? "never") after its DNS record (at most \(Play.discoveryLimit.text))"
    )
    verdict.noFailures(page, "while a pod was added")
  }

  /// One pod leaves its name, and lives: it is not called any more.
  mutating func removePod(_ number: Int, _ title: String) async throws {
    stage.withdraw(.pod(number))
    try stage.publish()
    let published = ContinuousClock.now
    let page = try await show(title) { page in
      published.duration(to: .now) > Play.discoveryLimit + .seconds(1)
    }
    let last = page.lastCall["pod-\(number)"].map { published.duration(to: $0) } ?? .zero
    verdict.add(last <= Play.discoveryLimit, "the removed pod's last call came \(last.text) after the DNS change")
    verdict.noFailures(page, "while a pod was removed")
    stage.stop(.pod(number))
  }

  /// A rolling restart: a new one is there before an old one goes, and the name changes at that one's SIGTERM. What is shown
  /// last is shown until `isDone`.
  mutating func replace(
    _ old: [Place], by new: [Place], _ title: String, until isDone: (CallBook.Page) -> Bool
  ) async throws -> CallBook.Page {
    for (old, new) in zip(old, new) {
      try stage.start(new)
      stage.withdraw(old)
      try stage.publish()
      stage.stop(old)
      try await Task.sleep(for: .seconds(2))
    }
    return try await show(title, until: isDone)
  }

  /// All five pods, one after the other: each new one is called.
  mutating func replacePods(_ title: String) async throws {
    let new = (11...15).map(Place.pod)
    func used(_ page: CallBook.Page) -> Int { new.count { page.calls["\($0)", default: 0] > 0 } }
    let page = try await replace((1...5).map(Place.pod), by: new, title) { used($0) == 5 }
    verdict.add(used(page) == 5, "\(used(page)) of 5 new pods were called during the rolling restart")
    verdict.noFailures(page, "of \(page.total) calls during the rolling restart")
  }
}
