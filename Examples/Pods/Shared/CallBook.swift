import Synchronization
package import Volery

/// What came of the calls: how many each pod answered, how fast, and what failed.
package final class CallBook: Sendable {
  package struct Page: Sendable {
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

  func answered(_ pod: String, started: ContinuousClock.Instant) {
    let now = ContinuousClock.now
    page.withLock { page in
      page.calls[pod, default: 0] += 1
      if page.firstCall[pod] == nil { page.firstCall[pod] = started }
      page.lastCall[pod] = started
      page.latencies.append(started.duration(to: now))
    }
  }

  func failed(_ error: StatusError) { page.withLock { $0.failures.append(error.description) } }

  /// Calls at a fixed rate until the task is cancelled; calls that run then are waited for.
  package func callSteadily(_ channel: Channel, perSecond rate: Int) async {
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
          await Task { await call(client) }.value
        }
      }
    }
  }

  private func call(_ client: PodsClient) async {
    let started = ContinuousClock.now
    do throws(StatusError) {
      answered(try await client.who(Question(), options: CallOptions(timeout: .seconds(2))).pod, started: started)
    } catch {
      failed(error)
    }
  }
}

extension CallBook.Page {
  /// Lines of a table: calls, share and a bar for each pod, then errors and latency.
  package func table(_ title: String) -> [String] {
    var lines = ["  \(title)", "  pod        calls   share"]
    let total = max(1, total)
    for (pod, count) in calls.sorted(by: { $0.key < $1.key }) {
      let share = Double(count) / Double(total)
      let percent = "\((share * 1000).rounded() / 10) %"
      let bar = String(repeating: "█", count: Int(share * 60))
      lines.append("  \(pod.padded(8)) \("\(count)".padded(-7)) \(percent.padded(-7))  \(bar)")
    }
    let sorted = latencies.sorted()
    let median = sorted.isEmpty ? .zero : sorted[sorted.count / 2]
    let slow = sorted.isEmpty ? .zero : sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
    lines.append("  errors \(failures.count)   latency p50 \(median.text)   p99 \(slow.text)")
    return lines
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
