import Synchronization
import Volery

/// The calls of such a client: on each channel at a steady pace, late or not.
struct BalancedCalls: Sendable {
  let statistics: CallStatistics
  let configuration: ClientConfiguration
  /// Of UnaryCall.
  let request: SimpleRequest
  /// Of each method, per second and channel.
  let rate: Int
  let prints: Bool
  let failsOnFailure: Bool

  private final class Marks: Sendable {
    let hasSucceeded = Atomic(false)
    let hasFailed = Atomic(false)
  }

  /// Until its task is cancelled, or a call has failed that must not.
  ///
  /// - Returns: Whether one has.
  func run(on client: TestServiceClient) async -> Bool {
    let marks = Marks()
    let start = ContinuousClock.now
    await withDiscardingTaskGroup { group in
      var index = 0
      while !Task.isCancelled, !marks.hasFailed.load(ordering: .relaxed) {
        let due = start.advanced(by: .seconds(Double(index) / Double(rate)))
        if .now < due { try? await Task.sleep(until: due, clock: .continuous) }
        guard !Task.isCancelled else { break }
        index += 1
        let plan = configuration.current
        for method in plan.methods {
          // Before the next one: the numbers are the order in which calls are made.
          let number = statistics.started(method)
          group.addTask {
            if await call(number, method, plan, client) {
              marks.hasSucceeded.store(true, ordering: .relaxed)
            } else if failsOnFailure, marks.hasSucceeded.load(ordering: .relaxed) {
              marks.hasFailed.store(true, ordering: .relaxed)
            }
          }
        }
      }
      group.cancelAll()
    }
    return marks.hasFailed.load(ordering: .relaxed)
  }

  private func call(_ number: Int, _ method: TestMethod, _ plan: TestCallPlan, _ client: TestServiceClient) async
    -> Bool
  {
    var options = CallOptions(timeout: plan.timeout)
    options.metadata = plan.metadata[method] ?? Metadata()
    var outcome = CallStatistics.Outcome(code: .ok)
    do throws(StatusError) {
      switch method {
      case .emptyCall:
        let response = try await client.emptyCallResponse(to: Empty(), options: options)
        outcome.initialMetadata = response.initialMetadata
        outcome.trailingMetadata = response.trailingMetadata
      case .unaryCall:
        let response = try await client.unaryCallResponse(to: request, options: options)
        outcome.initialMetadata = response.initialMetadata
        outcome.trailingMetadata = response.trailingMetadata
        outcome.peer = response.message.hostname.isEmpty ? nil : response.message.hostname
      }
      // Where a response has no field for it, servers tell it so.
      outcome.peer = outcome.initialMetadata["hostname"] ?? outcome.peer
    } catch {
      outcome.code = error.code
    }
    statistics.ended(number, method, outcome)
    if prints { printLine("\(method.rawValue) \(outcome.code) \(outcome.peer ?? "-")") }
    return outcome.code == statistics.expected
  }
}
