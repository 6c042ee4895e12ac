import Synchronization
import TestSupport
import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

@Suite("The concurrency limit", .timeLimit(.minutes(1))) struct ConcurrencyLimitTests {
  /// Handlers that wait until they are told.
  final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    func pass() async {
      await withCheckedContinuation { waiter in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiters.append(waiter) }
          return state.isOpen
        }
        if isOpen { waiter.resume() }
      }
    }

    func open() {
      let waiters = state.withLock { state in
        state.isOpen = true
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.resume() }
    }
  }

  @Test(
    "refuses what is above it, each method for itself, and says when to come again", arguments: Place.allCases,
    Desk.names)
  func refuses(_ place: Place, _ name: String) async throws {
    let gate = Gate()
    let limit = ConcurrencyLimit(2, retryAfter: .seconds(3))
    let method = Desk.ask.descriptor
    let held = MethodDescriptor(service: "test.Desk", name: name, kind: method.kind)
    let visit: Desk.Visit = { context in
      if context.method.name == name { await gate.pass() }
      return context.method.name
    }
    try await place.with([limit], visit) { channel in
      try await withThrowingTaskGroup(of: Outcome.self) { group in
        for _ in 0..<2 { group.addTask { await channel.callDesk(name) } }
        try await eventually("two calls run") { limit.count(of: held) == 2 }
        #expect(await channel.callDesk(name) == .failure(.resourceExhausted, "the method is at its limit of 2 calls"))
        for other in Desk.names where other != name { #expect(await channel.callDesk(other) == .answer(other)) }
        if name == "Ask" {
          let error = await #expect(throws: StatusError.self) { try await channel.unary(Desk.ask, []) }
          #expect(error?.metadata["grpc-retry-pushback-ms"] == "3000")
        }
        gate.open()
        for try await outcome in group { #expect(outcome == .answer(name)) }
      }
      try await eventually("none runs") { limit.count(of: held) == 0 }
      #expect(await channel.callDesk(name) == .answer(name))
    }
  }

  @Test("a pause under a millisecond is told as one: clients are about that do not come again after 0") func shortest()
    async throws
  {
    let gate = Gate()
    let limit = ConcurrencyLimit(1, retryAfter: .microseconds(10))
    let visit: Desk.Visit = { context in
      await gate.pass()
      return "done"
    }
    try await Place.socket.with([limit], visit) { channel in
      async let first = channel.callDesk("Ask")
      try await eventually("the first call runs") { limit.count(of: Desk.ask.descriptor) == 1 }
      let error = await #expect(throws: StatusError.self) { try await channel.unary(Desk.ask, []) }
      #expect(error?.metadata["grpc-retry-pushback-ms"] == "1")
      gate.open()
      #expect(await first == .answer("done"))
    }
  }

  @Test("a client that retries comes again after the pause that it was told") func pushback() async throws {
    let gate = Gate()
    let limit = ConcurrencyLimit(1, retryAfter: .milliseconds(300))
    let config = """
      {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.001s", "maxBackoff": "0.001s",
        "backoffMultiplier": 1, "retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]}
      """
    let visit: Desk.Visit = { context in
      await gate.pass()
      return "done"
    }
    let recorder = LogRecorder()
    try await Place.socket.with([AccessLog(recorder.logger), limit], serviceConfig: config, visit) { channel in
      async let first = channel.callDesk("Ask")
      try await eventually("the first call runs") { limit.count(of: Desk.ask.descriptor) == 1 }
      let start = ContinuousClock.now
      async let second = channel.callDesk("Ask")
      _ = try await recorder.line(containing: "status: RESOURCE_EXHAUSTED")
      gate.open()
      #expect(await [first, second] == [.answer("done"), .answer("done")])
      #expect(start.duration(to: .now) >= .milliseconds(300))
    }
  }

  @Test("a call that ends badly, or is cancelled, leaves its place") func places() async throws {
    let limit = ConcurrencyLimit(1)
    let visit: Desk.Visit = { context in
      if context.metadata["x-wait"] == nil { throw StatusError(.aborted, "no") }
      for await _ in AsyncStream<Void>.makeStream().stream {}
      throw CancellationError()
    }
    try await Place.socket.with([limit], visit) { channel in
      for _ in 0..<3 { #expect(await channel.callDesk("Ask") == .failure(.aborted, "no")) }
      for _ in 0..<3 {
        let options = CallOptions(metadata: ["x-wait": "1"], timeout: .milliseconds(50))
        guard case .failure(.deadlineExceeded, _) = await channel.callDesk("Ask", options) else {
          Issue.record("another end")
          return
        }
        try await eventually("the place is free") { limit.count(of: Desk.ask.descriptor) == 0 }
      }
    }
  }
}
