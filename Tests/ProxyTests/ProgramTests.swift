import Foundation
import TestSupport
import Testing
import Volery

/// The program itself: what it is told, what it prints, how it ends.
@Suite("volery-proxy", .serialized, .timeLimit(.minutes(3))) struct ProgramTests {
  static let path = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("volery-proxy").path

  /// The program, and the address that it listens on.
  private static func start(_ arguments: String...) async throws -> (process: ChildProcess, address: String) {
    let process = try ChildProcess([path, "--listen", "127.0.0.1:0"] + arguments)
    return (process, try await blocking { try firstAddress(of: process) })
  }

  /// Waits for it.
  static func firstAddress(of process: ChildProcess) throws -> String {
    String(try process.readLine().line.dropFirst("LISTENING ".count))
  }

  @Test("it forwards calls, and SIGTERM ends it with 0 once they have ended") func termination() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let (process, address) = try await Self.start("--target", "\(bound)")
    let channel = try Channel(address)
    let chat = channel.bidirectional(Echo.chat)
    var responses = chat.makeAsyncIterator()
    try await chat.send([1])
    #expect(try await responses.next() == [1])
    process.signal(SIGTERM)
    try await chat.send([2])
    #expect(try await responses.next() == [2])
    chat.finish()
    #expect(try await responses.next() == nil)
    let code = try await blocking { process.stop() }
    #expect(code == 0)
  }

  @Test(
    "what is wrong with its options is said, and it exits with 2",
    arguments: [
      ["--target", "nonsense://x"], ["--target", "a:1", "--listen", "nowhere"], ["--target", "a:1", "--cert", "x.pem"],
      ["--target", "a:1", "--no-such-option"], [], ["--target", "a:1", "--access-log", "loud"],
    ])
  func wrongOptions(_ arguments: [String]) throws {
    let (_, code) = try ChildProcess.run([Self.path] + arguments)
    #expect(code == 2)
  }

  /// `make proxy-gigabyte` sends 1024 MiB each way.
  private static let megabytes = Int(ProcessInfo.processInfo.environment["PROXY_MEGABYTES"] ?? "") ?? 64

  @Test("a long stream both ways takes no memory in the proxy: at most 16 MiB more than before, whatever its length")
  func memory() async throws {
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let (process, address) = try await Self.start("--target", "\(bound)")
    let channel = try Channel(address)
    _ = try await channel.unary(Echo.unary, [UInt8](repeating: 1, count: 1 << 20))
    let before = try Self.residentKilobytes(process.pid)
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
      most = max(most, try Self.residentKilobytes(process.pid))
    }
    try await sending
    #expect(count == Self.megabytes)
    #expect(most - before < 16 << 10, "it grew by \(most - before) KiB")
    if Self.megabytes > 64 { print("\(count) MiB each way: the proxy grew by \(most - before) KiB from \(before) KiB") }
    #expect(try await blocking { process.stop(SIGTERM) } == 0)
  }

  private static func residentKilobytes(_ pid: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }) else { return 0 }
    return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]) ?? 0
  }
}
