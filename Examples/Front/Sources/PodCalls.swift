import Volery

/// The calls of the pods, each of which is noted in a book.
struct PodCalls: Sendable {
  let book = CallBook()
  private let pods: PodsClient

  init(_ channel: Channel) { pods = PodsClient(channel) }

  /// The whole call, whatever happens to its server. Long enough for a machine that is busy.
  private static let options = CallOptions(timeout: .seconds(5))

  /// Asks a pod for its name.
  func ok() async throws(StatusError) -> Answer {
    try await noted { () throws(StatusError) in try await pods.who(Question(), options: PodCalls.options) }
  }

  /// Asks a pod to fail.
  func fail() async throws(StatusError) -> Answer {
    try await noted { () throws(StatusError) in try await pods.fail(Question(), options: PodCalls.options) }
  }

  /// Ten answers of one pod, each as it comes. It is one call of that pod.
  func stream(_ body: (Answer) async throws -> Void) async throws {
    let start = ContinuousClock.now
    var pod: String?
    do {
      for try await answer in pods.count(Question(), options: CallOptions(timeout: .seconds(30))) {
        if pod == nil { book.answered(by: answer.pod, after: .now - start) }
        pod = answer.pod
        try await body(answer)
      }
    } catch let error as StatusError {
      book.failed(error)
      throw error
    }
  }

  private func noted(_ call: () async throws(StatusError) -> Answer) async throws(StatusError) -> Answer {
    let start = ContinuousClock.now
    do throws(StatusError) {
      let answer = try await call()
      book.answered(by: answer.pod, after: .now - start)
      return answer
    } catch {
      book.failed(error)
      throw error
    }
  }

  /// Calls at a rate until the task is cancelled, and waits for those that run then. While `mostAtOnce` run, it makes no more.
  func callSteadily(perSecond rate: Int) async {
    guard rate > 0 else { return }
    await withTaskGroup(of: Void.self) { group in
      let start = ContinuousClock.now
      var (index, running) = (0, 0)
      while !Task.isCancelled {
        index += 1
        try? await Task.sleep(until: start + .seconds(Double(index) / Double(rate)), clock: .continuous)
        if running == PodCalls.mostAtOnce {
          await group.next()
          running -= 1
        }
        running += 1
        group.addTask { _ = try? await ok() }
      }
    }
  }

  private static let mostAtOnce = 500
}
