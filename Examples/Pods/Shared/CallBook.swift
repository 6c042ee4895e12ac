import Synchronization
package import Volery

/// What came of the calls: how many each pod answered, how fast, and what failed.
package final class CallBook: Sendable {
  /// Who called, where the connection led, and which pod answered: one after the other the way of a call.
  package struct Way: Hashable, Sendable {
    package let client: String
    /// `127.0.1.1:50051`: the pod's, or that of what stands between.
    package let address: String
    package let pod: String
  }

  package struct Page: Sendable {
    package var ways: [Way: Int] = [:]
    package var calls: [String: Int] = [:]
    package var firstCall: [String: ContinuousClock.Instant] = [:]
    package var lastCall: [String: ContinuousClock.Instant] = [:]
    package var failures: [String] = []
    package var latencies: [Duration] = []
    package var total: Int { calls.values.reduce(0, +) }
  }

  private let page = Mutex(Page())

  package init() {}

  package var current: Page { page.withLock { $0 } }

  /// Starts a new page; returns the old one.
  @discardableResult
  package func turnPage() -> Page {
    page.withLock { page in
      defer { page = Page() }
      return page
    }
  }

  func answered(_ way: Way, started: ContinuousClock.Instant) {
    let now = ContinuousClock.now
    let pod = way.pod
    page.withLock { page in
      page.ways[way, default: 0] += 1
      page.calls[pod, default: 0] += 1
      if page.firstCall[pod] == nil { page.firstCall[pod] = started }
      page.lastCall[pod] = started
      page.latencies.append(started.duration(to: now))
    }
  }

  func failed(_ error: StatusError) { page.withLock { $0.failures.append(error.description) } }

  /// Calls at a fixed rate until the task is cancelled; calls that run then are waited for.
  package func callSteadily(_ channel: Channel, perSecond rate: Int, as name: String = "client") async {
    let client = PodsClient(channel)
    await withDiscardingTaskGroup { group in
      let start = ContinuousClock.now
      var index = 0
      while !Task.isCancelled {
        let due = start.advanced(by: .seconds(Double(index) / Double(rate)))
        index += 1
        if due > .now { try? await Task.sleep(until: due, clock: .continuous) }
        if Task.isCancelled { break }
        group.addTask { [self] in
          // A call that has begun is ended, whatever becomes of the loop around it.
          await Task { await call(client, name) }.value
        }
      }
    }
  }

  private func call(_ client: PodsClient, _ name: String) async {
    let started = ContinuousClock.now
    do throws(StatusError) {
      let response = try await client.whoResponse(to: Question(), options: CallOptions(timeout: .seconds(2)))
      let address = response.peer.map { "\($0.address)" } ?? "?"
      answered(Way(client: name, address: address, pod: response.message.pod), started: started)
    } catch {
      failed(error)
    }
  }
}

extension CallBook.Page {
  /// Lines of a table: calls, share and a bar for each pod, then errors and latency.
  package func table(_ title: String) -> [String] {
    ["  \(title)", "  pod        calls   share"] + bars(calls) + [summary]
  }

  /// Lines of a table of what the ways of the calls have in common.
  package func table(_ title: String, _ heading: String, by key: (CallBook.Way) -> String) -> [String] {
    let counts = counts(by: key)
    let width = max(8, counts.keys.map(\.count).max() ?? 0, heading.count)
    return ["  \(title)", "  \(heading.padded(width))   calls   share"] + bars(counts, width: width)
  }

  /// How many calls went each of the ways that `key` tells apart.
  package func counts(by key: (CallBook.Way) -> String) -> [String: Int] {
    var counts: [String: Int] = [:]
    for (way, count) in ways { counts[key(way), default: 0] += count }
    return counts
  }

  /// Errors and latency.
  package var summary: String {
    let sorted = latencies.sorted()
    let median = sorted.isEmpty ? .zero : sorted[sorted.count / 2]
    let slow = sorted.isEmpty ? .zero : sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
    return "  errors \(failures.count)   latency p50 \(median.text)   p99 \(slow.text)"
  }

  private func bars(_ counts: [String: Int], width: Int = 8) -> [String] {
    let total = max(1, total)
    return counts.sorted(by: { $0.key < $1.key }).map { name, count in
      let share = Double(count) / Double(total)
      let percent = "\((share * 1000).rounded() / 10) %"
      let bar = String(repeating: "█", count: Int(share * 60))
      return "  \(name.padded(width)) \("\(count)".padded(-7)) \(percent.padded(-7))  \(bar)"
    }
  }
}

extension String {
  func padded(_ width: Int) -> String {
    let gap = String(repeating: " ", count: max(0, abs(width) - count))
    return width < 0 ? gap + self : self + gap
  }
}

extension Duration {
  package var text: String {
    let milliseconds = self / .milliseconds(1)
    return "\((milliseconds * 100).rounded() / 100) ms"
  }
}
