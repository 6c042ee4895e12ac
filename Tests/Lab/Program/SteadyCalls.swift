import Volery

/// Calls at a fixed rate: a call is due when it is due, however long the ones before it take, and its latency counts from
/// then.
struct SteadyCalls: Sendable {
  let channels: [Channel]
  let rate: Double
  let total: Int
  let repeatable: Bool
  /// Each so-manieth call is a `read`, whatever `repeatable` says; 0: none.
  let readEach: Int
  /// Values of the header `x-key`: call number n has the key number n modulo this; 0: no call has the header.
  let keys: Int
  let timeout: Duration
  let waitForReady: Bool
  let log: CallLog

  func run(_ stop: StopSignal) async {
    let start = ContinuousClock.now
    let startSeconds = monotonicSeconds()
    await withDiscardingTaskGroup { group in
      for index in 0..<total {
        let offset = Double(index) / rate
        let due = start.advanced(by: .seconds(offset))
        if due > .now { try? await Task.sleep(until: due, clock: .continuous) }
        if stop.isSent { return }
        group.addTask { await call(index, due: startSeconds + offset) }
      }
    }
  }

  private func call(_ index: Int, due: Double) async {
    let channel = index % channels.count
    let client = LabClient(channels[channel])
    var options = CallOptions(timeout: timeout, waitForReady: waitForReady ? true : nil)
    if keys > 0 { options.metadata["x-key"] = "key-\(index % keys)" }
    let question = Question(key: "\(index)")
    do throws(StatusError) {
      let response =
        repeatable || readEach > 0 && index % readEach == 0
        ? try await client.readResponse(to: question, options: options)
        : try await client.callResponse(to: question, options: options)
      log.call(due: due, channel: channel, pod: response.message.pod, peer: response.peer)
    } catch {
      log.call(due: due, channel: channel, error)
    }
  }
}
