import Foundation
import TestSupport
import Testing
import Volery

/// The program itself: what it is told, what it prints, how it ends.
@Suite("volery-proxy", .serialized, .timeLimit(.minutes(3))) struct ProgramTests {
  @Test("it forwards calls, and SIGTERM ends it with 0 once they have ended") func termination() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let program = try await ProxyProgram(target: "\(bound)")
    let channel = try Channel("\(program.address)")
    let chat = channel.bidirectional(Echo.chat)
    var responses = chat.makeAsyncIterator()
    try await chat.send([1])
    #expect(try await responses.next() == [1])
    program.process.signal(SIGTERM)
    try await chat.send([2])
    #expect(try await responses.next() == [2])
    chat.finish()
    #expect(try await responses.next() == nil)
    let code = try await blocking { program.process.stop() }
    #expect(code == 0)
  }

  @Test(
    "a signal counts as soon as the program has said one of its addresses, wherever it is: it drains, or reads its file",
    arguments: [SIGTERM, SIGINT, SIGHUP])
  func early(_ signal: Int32) async throws {
    // More lines than its output holds: it stands in the middle of them until somebody reads.
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("proxy-\(UUID().uuidString).yaml").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let places = [String](repeating: "127.0.0.1:0", count: 250).joined(separator: ", ")
    try "listen: [\(places)]\ntarget: 127.0.0.1:1\n".write(toFile: path, atomically: true, encoding: .utf8)
    let process = try ChildProcess([ProxyProgram.path, "--config", path], outputByteCount: 4096)
    try await eventually("it waits for its reader") { process.unreadByteCount > 4000 }
    process.signal(signal)
    var lines = 0
    while lines < 250 {
      let text = process.read()
      try #require(!text.isEmpty, "it has ended after \(lines) lines")
      lines += text.count { $0 == "\n" }
    }
    #expect(try await blocking { process.stop(signal == SIGHUP ? SIGTERM : nil) } == 0)
  }

  @Test(
    "what is wrong with its options is said, and it exits with 2",
    arguments: [
      ["--target", "nonsense://x"], ["--target", "a:1", "--listen", "nowhere"], ["--target", "a:1", "--cert", "x.pem"],
      ["--target", "a:1", "--no-such-option"], [], ["--target", "a:1", "--access-log", "loud"],
    ])
  func wrongOptions(_ arguments: [String]) throws {
    let (_, code) = try ChildProcess.run([ProxyProgram.path] + arguments)
    #expect(code == 2)
  }

  /// `make proxy-gigabyte` sends 1024 MiB each way.
  private static let megabytes = Int(ProcessInfo.processInfo.environment["PROXY_MEGABYTES"] ?? "") ?? 64

  @Test("a long stream both ways takes no memory in the proxy: at most 16 MiB more than before, whatever its length")
  func memory() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let program = try await ProxyProgram(target: "\(bound)")
    let channel = try Channel("\(program.address)")
    _ = try await channel.unary(Echo.unary, [UInt8](repeating: 1, count: 1 << 20))
    let before = try program.residentKilobytes
    let chat = channel.bidirectional(Echo.chat)
    async let sending: Void = {
      let message = [UInt8](repeating: 7, count: 1 << 20)
      for _ in 0..<Self.megabytes { try await chat.send(message) }
      chat.finish()
    }()
    var (count, most) = (0, before)
    for try await message in chat {
      #expect(message.count == 1 << 20)
      count += 1
      most = max(most, try program.residentKilobytes)
    }
    try await sending
    #expect(count == Self.megabytes)
    #expect(most - before < 16 << 10, "it grew by \(most - before) KiB")
    if Self.megabytes > 64 { print("\(count) MiB each way: the proxy grew by \(most - before) KiB from \(before) KiB") }
    #expect(try await program.stop() == 0)
  }
}
