import Synchronization
import TestSupport
import Testing
import Volery

/// A client's streams are used again for other calls, and a call is its own first attempt: nothing of one may reach another.
@Suite("Streams that are used again", .timeLimit(.minutes(1))) struct ReusedStreamTests {
  /// How a call came to its end.
  private enum End: Hashable { case answered, cancelled, late, other }

  @Test("calls that are cancelled as their answers come leave others theirs", arguments: Way.allCases)
  func cancelled(_ way: Way) async throws {
    let ends = try await calls(way) { channel, message in
      let task = Task { try await channel.unary(RawEcho.unary, message, options: EndToEndTests.timely).message }
      for _ in 0..<Int(message[3]) % 40 { await Task.yield() }
      if message[0].isMultiple(of: 3) { task.cancel() }
      return try await task.value
    }
    #expect(ends[.other] == nil && ends[.late] == nil)
    #expect(ends[.answered, default: 0] > 0)
  }

  @Test("calls whose deadline passes as their answers come leave others theirs", arguments: Way.allCases)
  func late(_ way: Way) async throws {
    let ends = try await calls(way) { channel, message in
      let isShort = message[0].isMultiple(of: 3)
      let options = CallOptions(timeout: isShort ? .microseconds(200 * Int(message[3])) : .seconds(20))
      return try await channel.unary(RawEcho.unary, message, options: options).message
    }
    #expect(ends[.other] == nil && ends[.cancelled] == nil)
    #expect(ends[.answered, default: 0] > 0)
  }

  /// 1,600 calls by 16 tasks, each with a message of its own: who gets an answer gets its own.
  private func calls(
    _ way: Way, _ call: @escaping @Sendable (Channel, [UInt8]) async throws -> [UInt8]
  ) async throws -> [End: Int] {
    let server = Server(services: [RawEcho()])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    return await withTaskGroup(of: [End].self) { group in
      for lane in UInt8(0)..<16 {
        group.addTask {
          var ends: [End] = []
          for step in UInt8(0)..<100 {
            let message =
              [step, lane, step ^ lane, step &* 31 &+ lane] + [UInt8](repeating: step, count: Int(lane) * 40)
            do {
              let answer = try await call(channel, message)
              #expect(answer == message)
              ends.append(.answered)
            } catch let error as StatusError {
              ends.append(error.code == .cancelled ? .cancelled : error.code == .deadlineExceeded ? .late : .other)
            } catch {
              ends.append(.other)
            }
          }
          return ends
        }
      }
      return await group.reduce(into: [:]) { all, ends in
        for end in ends { all[end, default: 0] += 1 }
      }
    }
  }
}
