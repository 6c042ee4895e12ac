import Synchronization
import Testing
import Volery

/// Where handlers run, and that they don't get in one another's way there.
@Suite("Handlers", .timeLimit(.minutes(1))) struct HandlerTests {
  /// Lets everybody through once so many have come.
  private final class Gate: Sendable {
    private struct State {
      var missing: Int
      var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(missing: count)) }

    func pass() async {
      await withCheckedContinuation { continuation in
        let released = state.withLock { state -> [CheckedContinuation<Void, Never>] in
          state.missing -= 1
          state.waiting.append(continuation)
          guard state.missing == 0 else { return [] }
          defer { state.waiting = [] }
          return state.waiting
        }
        for continuation in released { continuation.resume() }
      }
    }
  }

  private struct Meeting: Service {
    static let meet = Method<[UInt8], [UInt8]>(service: "test.Meeting", name: "Meet", kind: .unary)
    let gate: Gate
    let executor: MethodHandler.Executor

    var handlers: [MethodHandler] {
      let handler = MethodHandler.unary(Meeting.meet) { request, _ in
        // Some wait at once, some answer without waiting.
        if request[0].isMultiple(of: 2) { await gate.pass() }
        return request
      }
      return [handler.on(executor)]
    }
  }

  @Test(
    "a handler that waits does not keep those behind it on its loop from running",
    arguments: [MethodHandler.Executor.eventLoop, .sharedPool])
  func waiting(_ executor: MethodHandler.Executor) async throws {
    var options = ServerOptions()
    options.eventLoops = 1
    let server = Server(services: [Meeting(gate: Gate(50), executor: executor)], options: options)
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    let answers = try await withThrowingTaskGroup(of: UInt8.self) { group in
      for index in 0..<100 as Range<UInt8> {
        group.addTask {
          try await channel.unary(Meeting.meet, [index], options: CallOptions(timeout: .seconds(30))).message[0]
        }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(answers.count == 100)
  }
}
