import Synchronization
import TestSupport
import Testing
import Volery
import VoleryClient

@Suite("The end of a connection's stream ids (RFC 9113, 5.1.1)", .timeLimit(.minutes(1))) struct StreamIDTests {
  private typealias Mirror = ConnectionAgeTests.Mirror

  /// A channel whose connections begin with this id, and its server.
  private func with(
    firstID: Int32, servers: Int = 1, mirror: Mirror = Mirror(), _ body: (Channel) async throws -> Void
  ) async throws {
    let servers = (0..<servers).map { _ in Server(services: [mirror]) }
    var addresses: [String] = []
    for server in servers { addresses.append("\(try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])") }
    defer { for server in servers { server.shutDown() } }
    var options = ChannelOptions()
    options.firstStreamID = firstID
    try await body(Channel("static:///\(addresses.joined(separator: ","))", options: options))
  }

  private func address(_ channel: Channel) async throws -> [UInt8] {
    try await channel.unary(Mirror.method, [], options: CallOptions(timeout: .seconds(10))).message
  }

  @Test("a connection without ids is followed by another one: no call fails, hangs or spins", arguments: [1, 2])
  func usedUp(_ servers: Int) async throws {
    // Three calls a connection.
    try await with(firstID: .max - 4, servers: servers) { channel in
      var seen: Set<[UInt8]> = []
      let started = ContinuousClock.now
      for _ in 0..<60 { seen.insert(try await address(channel)) }
      // A pause before each new connection would be one of a second.
      #expect(started.duration(to: .now) < .seconds(15))
      #expect(seen.count >= 20)
    }
  }

  @Test("nor does one of many calls that come at once") func burst() async throws {
    try await with(firstID: .max - 4) { channel in
      try await withThrowingTaskGroup(of: [UInt8].self) { group in
        for _ in 0..<30 { group.addTask { try await address(channel) } }
        var seen: Set<[UInt8]> = []
        for try await address in group { seen.insert(address) }
        #expect(seen.count >= 10)
      }
    }
  }

  @Test("one that has used three quarters of its ids is replaced, and what runs on it finishes (gRFC A105)")
  func threeQuarters() async throws {
    let mirror = Mirror()
    try await with(firstID: .max / 4 * 3 - 8, mirror: mirror) { channel in
      let slow = Task {
        try await channel.unary(Mirror.method, [1], options: CallOptions(timeout: .seconds(20))).message
      }
      try await eventually("the slow call runs") { mirror.waiting.load(ordering: .relaxed) == 1 }
      let first = try await address(channel)
      for _ in 0..<2 { #expect(try await address(channel) == first) }
      try await eventually("calls go over another connection", within: .seconds(10)) {
        try await address(channel) != first
      }
      mirror.answer.yield()
      #expect(try await slow.value == first)
    }
  }
}
