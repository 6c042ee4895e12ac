import Synchronization
import TestSupport
import Testing
import Volery

/// The default policy and a server that becomes slow, over real sockets.
@Suite("A slow server", .timeLimit(.minutes(1))) struct SlowServerTests {
  private static let work = Method<[UInt8], [UInt8]>(service: "test.Pace", name: "Work", kind: .unary)

  /// Answers at once, or in 150 ms.
  private final class Pace: Service {
    let isSlow = Atomic<Bool>(false)
    let count = Atomic<Int>(0)

    var handlers: [MethodHandler] {
      [
        .unary(SlowServerTests.work) { [self] request, _ in
          count.add(1, ordering: .relaxed)
          if isSlow.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(150)) }
          return request
        }
      ]
    }
  }

  private final class Events: Observer {
    private let seen = Mutex<[(isEjected: Bool, id: Int)]>([])
    func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
      switch event {
      case .subchannelEjected(let id): seen.withLock { $0.append((true, id)) }
      case .subchannelReadmitted(let id): seen.withLock { $0.append((false, id)) }
      default: break
      }
    }
    var ejected: Set<Int> {
      seen.withLock { seen in
        seen.reduce(into: []) { if $1.isEjected { $0.insert($1.id) } else { $0.remove($1.id) } }
      }
    }
    var isEmpty: Bool { seen.withLock { $0.isEmpty } }
  }

  private func run(
    ejectsSlow: Bool, _ body: (_ call: (Int) async throws -> Void, [Pace], Events) async throws -> Void
  ) async throws {
    let paces = (0..<3).map { _ in Pace() }
    let servers = paces.map { Server(services: [$0]) }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0] }
    let events = Events()
    var options = ChannelOptions()
    options.ejectsSlowServers = ejectsSlow
    options.observers = [events]
    let channel = try Channel("ipv4:" + addresses.map(\.description).joined(separator: ","), options: options)
    defer { channel.close() }
    try await body(
      { count in
        for _ in 0..<count {
          _ = try await channel.unary(SlowServerTests.work, [1], options: CallOptions(timeout: .seconds(20)))
        }
      }, paces, events)
  }

  @Test("gets no calls but probes, until it is as quick as the others again") func ejected() async throws {
    try await run(ejectsSlow: true) { call, paces, events in
      try await call(120)
      paces[1].isSlow.store(true, ordering: .relaxed)
      try await eventually("it is ejected") {
        let before = paces[1].count.load(ordering: .relaxed)
        try await call(12)
        return paces[1].count.load(ordering: .relaxed) <= before + 1
      }
      #expect(!events.ejected.isEmpty)
      let before = paces[1].count.load(ordering: .relaxed)
      let start = ContinuousClock.now
      try await call(200)
      let probes = paces[1].count.load(ordering: .relaxed) - before
      #expect(probes <= 1 + Int((ContinuousClock.now - start) / .seconds(1)), "of 200 calls")
      paces[1].isSlow.store(false, ordering: .relaxed)
      try await eventually("it is back") {
        try await call(10)
        return events.ejected.isEmpty
      }
    }
  }

  @Test("is called as ever where the options say so") func used() async throws {
    try await run(ejectsSlow: false) { call, paces, events in
      try await call(120)
      paces[1].isSlow.store(true, ordering: .relaxed)
      let before = paces[1].count.load(ordering: .relaxed)
      try await call(45)
      #expect(paces[1].count.load(ordering: .relaxed) - before >= 10)
      #expect(events.isEmpty)
    }
  }
}
