import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

@Suite("The default deadline", .timeLimit(.minutes(1))) struct DefaultDeadlineTests {
  /// Seconds that the handler has, rounded up to tens: the machine may be slow.
  static let left: Desk.Visit = { context in
    context.deadline.timeRemaining.map { "\(Int(($0 / .seconds(10)).rounded(.up)) * 10)" } ?? "no deadline"
  }

  @Test(
    "on a server, holds for calls of every kind that come without one, and for no others", arguments: Place.allCases)
  func server(_ place: Place) async throws {
    try await place.with([DefaultDeadline(.seconds(30))], Self.left) { channel in
      #expect(await channel.callDesk(CallOptions()) == Desk.names.map { _ in .answer("30") })
      #expect(await channel.callDesk(CallOptions(timeout: .seconds(20))) == Desk.names.map { _ in .answer("20") })
      #expect(await channel.callDesk("Ask", CallOptions(timeout: .seconds(300))) == .answer("300"))
    }
    try await place.with([DefaultDeadline(.seconds(30), atMost: .seconds(40))], Self.left) { channel in
      #expect(await channel.callDesk("Ask", CallOptions(timeout: .seconds(300))) == .answer("40"))
      #expect(await channel.callDesk("List", CallOptions(timeout: .seconds(10))) == .answer("10"))
    }
  }

  @Test(
    "on a server, ends the call and its handler when it has passed, and the calls that the handler makes",
    arguments: Place.allCases)
  func passed(_ place: Place) async throws {
    let wait: Desk.Visit = { _ in
      for await _ in AsyncStream<Void>.makeStream().stream {}
      return ""
    }
    try await place.with([], wait) { inner in
      let seen = AsyncStream<Outcome>.makeStream()
      let front: Desk.Visit = { context in
        let outcome = await inner.callDesk(context.method.name, CallOptions())
        seen.continuation.yield(outcome)
        for await _ in AsyncStream<Void>.makeStream().stream {}
        return "\(outcome)"
      }
      try await place.with([DefaultDeadline(.milliseconds(100))], front) { channel in
        var inners = seen.stream.makeAsyncIterator()
        for name in Desk.names {
          let outcome = await channel.callDesk(name, CallOptions())
          #expect(outcome == .failure(.deadlineExceeded, "the deadline passed on the server"))
          guard case .failure(let code, _)? = await inners.next() else {
            Issue.record("it went well")
            return
          }
          #expect(code == .deadlineExceeded || code == .cancelled)
        }
      }
    }
  }

  @Test("on a channel, holds for calls of every kind that bring none", arguments: Place.allCases)
  func client(_ place: Place) async throws {
    try await place.with([], client: [DefaultDeadline(.seconds(30), atMost: .seconds(40))], Self.left) { channel in
      #expect(await channel.callDesk(CallOptions()) == Desk.names.map { _ in .answer("30") })
      #expect(await channel.callDesk(CallOptions(timeout: .seconds(20))) == Desk.names.map { _ in .answer("20") })
      #expect(await channel.callDesk("Ask", CallOptions(timeout: .seconds(300))) == .answer("40"))
    }
  }

  @Test("a server's interceptor can't give a call more time than its client does") func later() async throws {
    struct Generous: ServerInterceptor {
      func intercept(_ call: ServerInvocation, _ next: ServerInvocation.Next) async throws {
        call.deadline = .after(.seconds(1000))
        try await next()
      }
    }
    try await Place.inProcess.with([Generous()], Self.left) { channel in
      #expect(await channel.callDesk("Ask", CallOptions(timeout: .seconds(20))) == .answer("20"))
      #expect(await channel.callDesk("Ask", CallOptions()) == .answer("1000"))
    }
  }
}
