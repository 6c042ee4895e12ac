import Foundation
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

  #if os(Linux)
    /// Of the whole process.
    private static func residentByteCount() throws -> Int {
      let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      return try #require(Int(text.split(separator: " ")[1])) * sysconf(Int32(_SC_PAGESIZE))
    }

    @Test("handlers of one loop that give way to each other a million times cost no memory") func yielding()
      async throws
    {
      let spin = Method<[UInt8], [UInt8]>(service: "test.Spin", name: "Spin", kind: .unary)
      struct Spin: Service { let handlers: [MethodHandler] }
      let gate = Gate(2)
      let turns = Turns()
      let service = Spin(handlers: [
        .unary(spin) { request, _ in
          await gate.pass()
          // Counted together, so that neither is alone, and the queue empty, before the end. A slow machine does less.
          let end = ContinuousClock.now + .seconds(30)
          while turns.count.add(1, ordering: .relaxed).newValue < 1_200_000, .now < end { await Task.yield() }
          return request
        }
      ])
      var options = ServerOptions()
      options.eventLoops = 1
      options.stallThreshold = nil
      let server = Server(services: [service], options: options)
      let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
      defer { server.shutDown() }
      let channel = try Channel(address.target)
      let before = try Self.residentByteCount()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          group.addTask { _ = try await channel.unary(spin, [], options: CallOptions(timeout: .seconds(50))) }
        }
        try await group.waitForAll()
      }
      let grown = try Self.residentByteCount() - before
      // 16 bytes for each turn, if the queue of jobs kept what it has given out.
      #expect(grown < 12 << 20, "\(grown >> 20) MiB")
    }

    private final class Turns: Sendable { let count = Atomic(0) }
  #endif
}
