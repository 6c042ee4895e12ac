import Synchronization
import Volery

/// Makes the calls of a command, and counts.
final class Series: Sendable {
  private let command: Command
  private let channel: Channel
  private let jars: CookieJars
  private let method: Method<[UInt8], [UInt8]>
  private let isStopped = Atomic(false)
  private let begun = Atomic(0)
  private let outcomes = Mutex(Outcomes())

  init(_ command: Command, _ channel: Channel, _ jars: CookieJars) {
    self.command = command
    self.channel = channel
    self.jars = jars
    let parts = (command.method ?? "/test.Backend/Who").split(separator: "/")
    method = Method(
      service: String(parts[0]), name: String(parts[1]), kind: command.stream == true ? .bidirectional : .unary)
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
    if let jar = command.jar, let cookies = jars[jar] { metadata.append(cookies, for: "cookie") }
    options.metadata = metadata
    let start = ContinuousClock.now
    let answer: String?
    let failure: String?
    do {
      answer = String(decoding: try await self.answer(options), as: UTF8.self)
      failure = nil
    } catch let error as StatusError {
      if let jar = command.jar { jars.take(error.metadata, for: jar) }
      answer = nil
      failure = "\(error.code): \(error.message)"
    } catch {
      answer = nil
      failure = "\(error)"
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    outcomes.withLock {
      if let answer { $0.answers[answer, default: 0] += 1 }
      if let failure { $0.failures[failure, default: 0] += 1 }
      $0.slowest = max($0.slowest, seconds)
    }
  }

  private func answer(_ options: CallOptions) async throws -> [UInt8] {
    guard command.stream == true else {
      let response = try await channel.unary(method, [], options: options)
      if let jar = command.jar { jars.take(response.initialMetadata, for: jar) }
      return response.message
    }
    let call = channel.bidirectional(method, options: options)
    try await call.send([])
    call.finish()
    // Before the first message: a stream says at once where it is.
    let metadata = try await call.initialMetadata
    if let jar = command.jar { jars.take(metadata, for: jar) }
    var answer: [UInt8] = []
    for try await message in call { answer = message }
    return answer
  }
}

/// What browsers would keep: the cookies that answers have set, by the name of the jar.
final class CookieJars: Sendable {
  private let jars = Mutex<[String: [String: String]]>([:])

  /// As a call sends them; nil: there are none.
  subscript(name: String) -> String? {
    jars.withLock { jars in
      jars[name].map { cookies in cookies.sorted { $0.key < $1.key }.map { "\($0)=\($1)" }.joined(separator: "; ") }
    }
  }

  func take(_ metadata: Metadata, for name: String) {
    for header in metadata.values("set-cookie") {
      let pair = header.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else { continue }
      jars.withLock { $0[name, default: [:]][String(pair[0])] = String(pair[1]) }
    }
  }
}
