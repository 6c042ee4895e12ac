import Volery

/// Bidirectional streams that are kept open: one that ends is opened again.
struct LabStreams: Sendable {
  let channels: [Channel]
  let count: Int
  /// A stream older than this is ended in order; nil: none is.
  let life: Duration?
  let log: CallLog

  func run(_ stop: StopSignal) async {
    await withDiscardingTaskGroup { group in
      for number in 0..<count {
        group.addTask {
          // One after the other: those that wait for the first connection would all go there.
          await stop.wait(atMost: .milliseconds(300 + 25 * number))
          while !stop.isSent {
            await chat(number, stop)
            await stop.wait(atMost: .milliseconds(100))
          }
        }
      }
    }
  }

  private func chat(_ number: Int, _ stop: StopSignal) async {
    let call = LabClient(channels[number % channels.count]).chat()
    var answers = call.makeAsyncIterator()
    var pod = ""
    let end = life.map { ContinuousClock.now.advanced(by: $0) }
    do throws(StatusError) {
      while !stop.isSent, end.map({ .now < $0 }) ?? true {
        try await call.send(Question())
        guard let answer = try await answers.next() else { break }
        log.stream(number, pod.isEmpty ? "opened" : "message", pod: answer.pod)
        pod = answer.pod
        await stop.wait(atMost: .milliseconds(100))
      }
      call.finish()
      while try await answers.next() != nil {}
      log.stream(number, "ended", pod: pod)
    } catch {
      log.stream(number, "ended", code: error.code, pod: pod, message: error.message)
    }
  }
}
