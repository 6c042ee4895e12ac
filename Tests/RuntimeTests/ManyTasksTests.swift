import Synchronization
import TestSupport
import Testing
import Volery

/// Several tasks that use one call at once, and what becomes of those that wait when the call ends.
@Suite("Several tasks of one call", .timeLimit(.minutes(1))) struct ManyTasksTests {
  static let writeAll = Method<[UInt8], [UInt8]>(service: "test.Tasks", name: "WriteAll", kind: .serverStreaming)
  static let readAll = Method<[UInt8], [UInt8]>(service: "test.Tasks", name: "ReadAll", kind: .clientStreaming)
  static let leave = Method<[UInt8], [UInt8]>(service: "test.Tasks", name: "Leave", kind: .bidirectional)
  static let chat = Method<[UInt8], [UInt8]>(service: "test.Tasks", name: "Chat", kind: .bidirectional)
  static let timely = CallOptions(timeout: .seconds(30))
  static let tasks = 4
  static let messages = 100

  /// A message that tells whose it is, and is whole or is not.
  static func message(_ task: Int, _ number: Int) -> [UInt8] {
    [UInt8](repeating: UInt8(task), count: 20_000) + [UInt8(number)]
  }

  /// Checks that each task's messages are whole and in order.
  struct Check {
    private var counts = [Int](repeating: 0, count: ManyTasksTests.tasks)

    mutating func received(_ message: [UInt8]) {
      let task = Int(message[0])
      #expect(message == ManyTasksTests.message(task, counts[task]))
      counts[task] += 1
    }

    var isComplete: Bool { counts.allSatisfy { $0 == ManyTasksTests.messages } }
  }

  struct Tasks: Service {
    let executor: MethodHandler.Executor
    var ended: @Sendable (String) -> Void = { _ in }

    var handlers: [MethodHandler] {
      let handlers: [MethodHandler] = [
        .serverStreaming(writeAll) { _, writer, _ in
          try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
              group.addTask { for number in 0..<messages { try await writer.write(message(task, number)) } }
            }
            try await group.waitForAll()
          }
        },
        .clientStreaming(readAll) { requests, _ in
          let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<tasks {
              group.addTask {
                var count = 0
                for try await _ in requests { count += 1 }
                return count
              }
            }
            return try await group.reduce(0, +)
          }
          return Array("\(total)".utf8)
        },
        .bidirectional(chat) { requests, writer, _ in
          for try await request in requests { try await writer.write(request) }
        },
        // Returns, or throws, while tasks of its own read and write.
        .bidirectional(leave) { requests, writer, _ in
          for task in 0..<tasks {
            Task {
              do {
                while true { try await writer.write(message(task, 0)) }
              } catch {
                ended("writer \((error as? StatusError)?.code.description ?? "?")")
              }
            }
            Task {
              do {
                for try await _ in requests {}
                ended("reader")
              } catch {
                ended("reader \((error as? StatusError)?.code.description ?? "?")")
              }
            }
          }
          try await Task.sleep(for: .milliseconds(50))
        },
      ]
      return handlers.map { $0.on(executor) }
    }
  }

  func withChannel(
    _ way: Way, _ service: Tasks, _ body: (Channel) async throws -> Void
  ) async throws {
    let server = Server(services: [service])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    try await body(try Channel(address.target))
  }

  @Test("tasks that write to one writer all come to their end", arguments: Way.allCases, [false, true])
  func writers(_ way: Way, _ isElsewhere: Bool) async throws {
    try await withChannel(way, Tasks(executor: isElsewhere ? .sharedPool : .eventLoop)) { channel in
      var check = Check()
      for try await message in channel.serverStreaming(Self.writeAll, [], options: Self.timely) {
        check.received(message)
      }
      #expect(check.isComplete)
    }
  }

  @Test("tasks that take requests of one stream take each of them once", arguments: Way.allCases, [false, true])
  func readers(_ way: Way, _ isElsewhere: Bool) async throws {
    try await withChannel(way, Tasks(executor: isElsewhere ? .sharedPool : .eventLoop)) { channel in
      let call = channel.clientStreaming(Self.readAll, options: Self.timely)
      for number in 0..<200 {
        try await call.send([UInt8(number)])
        // So that the readers wait in between.
        if number % 20 == 0 { try await Task.sleep(for: .milliseconds(2)) }
      }
      call.finish()
      #expect(try await call.response == Array("200".utf8))
    }
  }

  @Test("a client's tasks may share a call in both directions", arguments: Way.allCases) func client(_ way: Way)
    async throws
  {
    try await withChannel(way, Tasks(executor: .eventLoop)) { channel in
      let call = channel.bidirectional(Self.chat, options: Self.timely)
      let senders = Task {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for task in 0..<Self.tasks {
            group.addTask {
              for number in 0..<Self.messages { try await call.send(Self.message(task, number)) }
            }
          }
          try await group.waitForAll()
        }
        call.finish()
      }
      let received = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<Self.tasks {
          group.addTask {
            var count = 0
            for try await message in call {
              #expect(message == Self.message(Int(message[0]), Int(message[20_000])))
              count += 1
            }
            return count
          }
        }
        return try await group.reduce(0, +)
      }
      try await senders.value
      #expect(received == Self.tasks * Self.messages)
    }
  }

  @Test("a client's task that waits to send hears that another has finished the stream", arguments: Way.allCases)
  func finishedByAnother(_ way: Way) async throws {
    try await withChannel(way, Tasks(executor: .eventLoop)) { channel in
      // Nobody reads the echo: the writer fills the windows, and waits.
      let call = channel.bidirectional(Self.chat, options: Self.timely)
      let sent = Tally()
      let sender = Task {
        while true {
          try await call.send([UInt8](repeating: 1, count: 60_000))
          sent.add()
        }
      }
      try await settled("messages sent") { sent.value }
      call.finish()
      let error = await #expect(throws: StatusError.self) { try await sender.value }
      #expect(error?.code == .failedPrecondition)
      call.cancel()
    }
  }

  @Test(
    "no task that reads or writes outlives its call: the handler's end, the client's cancel, a lost connection",
    arguments: Way.allCases, ["returns", "cancelled", "lost"])
  func leftBehind(_ way: Way, _ end: String) async throws {
    let ends = AsyncStream.makeStream(of: String.self)
    for executor in [MethodHandler.Executor.eventLoop, .sharedPool] {
      let server = Server(services: [Tasks(executor: executor, ended: { ends.continuation.yield($0) })])
      let address = try server.start(listeningOn: way.listenAddress())[0]
      defer { server.shutDown() }
      let channel = try Channel(address.target)
      // Nobody reads the responses, nobody sends requests.
      let call = channel.bidirectional(Self.leave, options: Self.timely)
      _ = try await call.initialMetadata
      switch end {
      case "cancelled": call.cancel()
      case "lost": server.shutDown()
      default: break
      }
      var iterator = ends.stream.makeAsyncIterator()
      for _ in 0..<2 * Self.tasks { _ = await iterator.next() }
      call.cancel()
    }
  }

  @Test("a cancelled task that waits to write stops, and the call goes on", arguments: Way.allCases, [false, true])
  func cancelledWriter(_ way: Way, _ isElsewhere: Bool) async throws {
    struct Impatient: Service {
      let executor: MethodHandler.Executor
      let ended: @Sendable (StatusCode?) -> Void
      var handlers: [MethodHandler] {
        let handler = MethodHandler.serverStreaming(ManyTasksTests.writeAll) { _, writer, _ in
          let written = Tally()
          try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
              do {
                while true {
                  try await writer.write([UInt8](repeating: 1, count: 60_000))
                  written.add()
                }
              } catch {
                ended((error as? StatusError)?.code)
              }
            }
            // Nobody reads: once nothing more is written, it waits.
            try await settled("messages written") { written.value }
            group.cancelAll()
          }
          try await writer.write([2])
        }
        return [handler.on(executor)]
      }
    }
    let ends = AsyncStream.makeStream(of: StatusCode?.self)
    let service = Impatient(
      executor: isElsewhere ? .sharedPool : .eventLoop, ended: { ends.continuation.yield($0) })
    let server = Server(services: [service])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let call = try Channel(address.target).serverStreaming(Self.writeAll, [], options: Self.timely)
    var iterator = ends.stream.makeAsyncIterator()
    #expect(await iterator.next() == .cancelled)
    var last: [UInt8] = []
    for try await message in call { last = message }
    #expect(last == [2])
  }
}

private final class Tally: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func add() { count.withLock { $0 += 1 } }
}
