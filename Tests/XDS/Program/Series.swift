import Synchronization
import Volery

/// Makes the calls of a command, and counts.
final class Series: Sendable {
  private let command: Command
  private let channel: Channel
  private let method: Method<[UInt8], [UInt8]>
  private let isStopped = Atomic(false)
  private let begun = Atomic(0)
  private let outcomes = Mutex(Outcomes())

  init(_ command: Command, _ channel: Channel) {
    self.command = command
    self.channel = channel
    let parts = (command.method ?? "/test.Backend/Who").split(separator: "/")
    method = Method(service: String(parts[0]), name: String(parts[1]), kind: .unary)
    outcomes.withLock { $0.id = command.id }
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  func run() async -> Outcomes {
    await withTaskGroup { group in
      for _ in 0..<(command.parallel ?? 1) { group.addTask { await self.work() } }
    }
    return outcomes.withLock { $0 }
  }

  private func work() async {
    var due = ContinuousClock.now
    while !isStopped.load(ordering: .relaxed) {
      let number = begun.add(1, ordering: .relaxed).oldValue
      guard number < command.calls ?? .max else { return }
      await call(number)
      guard let interval = command.interval, interval > 0 else { continue }
      due += .seconds(interval)
      try? await Task.sleep(until: due, clock: .continuous)
    }
  }

  private func call(_ number: Int) async {
    var options = CallOptions(timeout: .seconds(command.timeout ?? 20), waitForReady: command.wait ?? false)
    var metadata = Metadata()
    for (key, value) in command.metadata ?? [:] { metadata.append(value, for: key) }
    if let key = command.vary { metadata.append("\(command.id ?? 0)-\(number)", for: key) }
    options.metadata = metadata
    let start = ContinuousClock.now
    let answer: String?
    let failure: String?
    do {
      answer = String(decoding: try await channel.unary(method, [], options: options).message, as: UTF8.self)
      failure = nil
    } catch {
      answer = nil
      failure = "\(error.code): \(error.message)"
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    outcomes.withLock {
      if let answer { $0.answers[answer, default: 0] += 1 }
      if let failure { $0.failures[failure, default: 0] += 1 }
      $0.slowest = max($0.slowest, seconds)
    }
  }
}
