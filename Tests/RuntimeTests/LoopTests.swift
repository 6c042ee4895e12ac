import Dispatch
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryPlatform
import VoleryServer

/// Two parties that wait for one another, blocking their threads.
final class Meeting: Sendable {
  private let arrived = [DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)]
  private let count = Atomic<Int>(0)

  /// Whether the other one came within this time.
  func wait(_ limit: DispatchTimeInterval) -> Bool {
    let place = count.add(1, ordering: .relaxed).oldValue % 2
    arrived[1 - place].signal()
    return arrived[place].wait(timeout: .now() + limit) == .success
  }
}

/// Handlers that show where they run, and that block.
struct Worksite: Service {
  static let thread = Method<[UInt8], [UInt8]>(service: "test.Worksite", name: "Thread", kind: .unary)
  static let meet = Method<[UInt8], [UInt8]>(service: "test.Worksite", name: "Meet", kind: .unary)
  static let block = Method<[UInt8], [UInt8]>(service: "test.Worksite", name: "Block", kind: .unary)
  static let blockChild = Method<[UInt8], [UInt8]>(service: "test.Worksite", name: "BlockChild", kind: .unary)

  let meeting = Meeting()
  let limit = DispatchTimeInterval.seconds(20)
  /// Each signal lets one blocked handler go on.
  let gate = DispatchSemaphore(value: 0)
  let blocked: AsyncStream<Void>
  private let blocks: AsyncStream<Void>.Continuation

  init() { (blocked, blocks) = AsyncStream.makeStream() }

  private func block() {
    blocks.yield()
    _ = gate.wait(timeout: .now() + limit)
  }

  var handlers: [MethodHandler] {
    [
      .unary(Worksite.thread) { _, _ in Array("\(UInt(bitPattern: Int(pthread_self())))".utf8) },
      .unary(Worksite.meet) { request, _ in
        [meeting.wait(.milliseconds(Int(request[0]) * 100)) ? 1 : 0]
      },
      .unary(Worksite.block) { _, _ in
        block()
        return []
      },
      .unary(Worksite.blockChild) { _, _ in
        await Task.yield()
        async let child: Void = block()
        await child
        return []
      },
    ]
  }
}

@Suite("Event loops of a server", .serialized, .timeLimit(.minutes(1))) struct LoopTests {
  static let timely = CallOptions(timeout: .seconds(30))

  /// A server with loops of its own, on a port.
  struct Site {
    let server: Server
    let target: String

    init(_ services: [any Service], loops: Int, _ change: (inout ServerOptions) -> Void = { _ in }) throws {
      var options = ServerOptions()
      options.eventLoops = loops
      change(&options)
      server = Server(services: services, options: options)
      target = "ipv4:\(try server.start(listeningOn: .tcp("127.0.0.1", 0))[0])"
    }

    func thread(_ channel: Channel) async throws -> String {
      let bytes = try await channel.unary(Worksite.thread, [], options: LoopTests.timely).message
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  @Test("connections are spread evenly over the loops, also when they are few", arguments: 1...9)
  func spread(_ count: Int) async throws {
    let site = try Site([Worksite()], loops: 4)
    defer { site.server.shutDown() }
    var loads: [String: Int] = [:]
    var channels: [Channel] = []
    for _ in 0..<count {
      let channel = try Channel(site.target)
      channels.append(channel)
      loads[try await site.thread(channel), default: 0] += 1
    }
    #expect(loads.count == min(count, 4))
    #expect(loads.values.max()! <= (count + 3) / 4)
    // Those that go make room for those that come.
    for _ in 0..<8 {
      channels.removeFirst().close()
      let channel = try Channel(site.target)
      channels.append(channel)
      _ = try await site.thread(channel)
    }
    loads = [:]
    for channel in channels { loads[try await site.thread(channel), default: 0] += 1 }
    #expect(loads.values.max()! <= (count + 3) / 4 + 1, "\(loads)")
  }

  @Test("as many handlers run at one moment as there are loops", arguments: [(2, UInt8(200), true), (1, 2, false)])
  func atOnce(_ loops: Int, _ patience: UInt8, _ meet: Bool) async throws {
    let site = try Site([Worksite()], loops: loops)
    defer { site.server.shutDown() }
    let channels = try [Channel(site.target), Channel(site.target)]
    for channel in channels { _ = try await site.thread(channel) }
    async let one = channels[0].unary(Worksite.meet, [patience], options: Self.timely).message
    async let other = channels[1].unary(Worksite.meet, [patience], options: Self.timely).message
    let answers = try await [one, other]
    #expect((answers == [[1], [1]]) == meet)
  }

  static let places: [(String, @Sendable (Worksite) -> any Service)] = [
    ("the shared pool", { $0.on(.sharedPool) }),
    ("one method on the shared pool", { $0.on(.sharedPool, only: Worksite.block.descriptor) }),
    ("threads of their own", { $0.on(.taskExecutor(BlockingThreads(count: 4))) }),
  ]

  @Test("a handler that blocks elsewhere holds up nothing", arguments: places.indices)
  func elsewhere(_ index: Int) async throws {
    let worksite = Worksite()
    let site = try Site([Self.places[index].1(worksite), RawEcho()], loops: 1)
    defer { site.server.shutDown() }
    let channel = try Channel(site.target)
    var blocked = worksite.blocked.makeAsyncIterator()
    async let answer = channel.unary(Worksite.block, [], options: Self.timely).message
    _ = await blocked.next()
    for _ in 0..<20 {
      #expect(try await channel.unary(RawEcho.unary, [1], options: Self.timely).message == [1])
    }
    worksite.gate.signal()
    #expect(try await answer == [])
  }

  @Test("more handlers block at once than there are cores, where they have threads of their own") func manyBlock()
    async throws
  {
    let worksite = Worksite()
    let site = try Site([worksite.on(.taskExecutor(BlockingThreads(count: 40)))], loops: 1)
    defer { site.server.shutDown() }
    let channel = try Channel(site.target)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<60 { group.addTask { _ = try await channel.unary(Worksite.block, [], options: Self.timely) } }
      var blocked = worksite.blocked.makeAsyncIterator()
      for _ in 0..<40 { _ = await blocked.next() }
      // The other 20 wait for a thread.
      for _ in 0..<60 { worksite.gate.signal() }
      try await group.waitForAll()
    }
  }

  @Test("a service of generated code can be moved, and still hears that its server drains") func generated()
    async throws
  {
    let health = Health()
    let moved = health.on(.sharedPool)
    #expect(moved.handlers.count == 3)
    for handler in moved.handlers {
      guard case .sharedPool = handler.executor else {
        Issue.record("\(handler.descriptor.path) stays on the loop")
        continue
      }
    }
    let server = Server(services: [moved])
    try server.start(listeningOn: .inProcess("moved-health"))
    let client = HealthClient(try Channel("in-process:moved-health"))
    #expect(try await client.check(HealthCheckRequest(), options: Self.timely).status == .serving)
    let answers = client.watch(HealthCheckRequest(), options: Self.timely)
    var iterator = answers.makeAsyncIterator()
    #expect(try await iterator.next()?.status == .serving)
    async let drained: Void = server.drain(limit: .seconds(10))
    #expect(try await iterator.next()?.status == .notServing)
    await drained
  }

  // MARK: The watchdog

  @Test(
    "a handler that holds up its loop is named in the log, its children too",
    arguments: [Worksite.block, Worksite.blockChild])
  func watchdog(_ method: Method<[UInt8], [UInt8]>) async throws {
    let log = LogRecorder()
    let worksite = Worksite()
    let site = try Site([worksite.on(.sharedPool, only: Worksite.meet.descriptor)], loops: 1) {
      $0.stallThreshold = .milliseconds(100)
      $0.logger = log.logger
    }
    defer { site.server.shutDown() }
    let channel = try Channel(site.target)
    // One that blocks for longer than the threshold, but elsewhere.
    async let beside = channel.unary(Worksite.meet, [3], options: Self.timely).message
    _ = try await site.thread(channel)
    _ = try await beside
    async let answer = channel.unary(method, [], options: Self.timely).message
    let line = try await log.line(containing: "method: \(method.descriptor.path)")
    worksite.gate.signal()
    _ = try await answer
    #expect(line.hasPrefix("warning") && line.contains("holds up its event loop"), "\(line)")
    #expect(!log.lines.contains { $0.contains(Worksite.meet.descriptor.path) }, "one that blocks elsewhere is none")
  }

  @Test("a job is told once when it is seen at the threshold, and only while it is the same job") func detector() {
    var detector = StallDetector(threshold: .milliseconds(100))
    let start = ContinuousClock.now
    func look(_ job: UInt, _ tag: UInt, _ milliseconds: Int) -> StallDetector.Stall? {
      detector.looked(.init(job: job, tag: tag), at: start.advanced(by: .milliseconds(milliseconds)))
    }
    #expect(look(1, 7, 0) == nil)
    #expect(look(1, 7, 50) == nil)
    #expect(look(1, 7, 120) == .init(tag: 7, duration: .milliseconds(120)))
    #expect(look(1, 7, 500) == nil, "told already")
    #expect(look(2, 7, 600) == nil, "another job of the same method")
    #expect(look(3, 7, 690) == nil)
    #expect(look(3, 7, 789) == nil)
    #expect(look(3, 7, 790) == .init(tag: 7, duration: .milliseconds(100)))
    #expect(look(3, 0, 900) == nil, "the loop waits for its sockets")
    #expect(look(3, 0, 5000) == nil, "and may do so for long")
    #expect(look(4, 9, 5001) == nil)
    #expect(look(4, 9, 5200) == .init(tag: 9, duration: .milliseconds(199)))
  }

  @Test("so many reports a period are let through, the others are counted", arguments: [1, 3])
  func reportLimit(_ count: Int) {
    var limit = ReportLimit(count, per: .seconds(60))
    let start = ContinuousClock.now
    func admit(_ seconds: Int) -> Int? { limit.admit(at: start.advanced(by: .seconds(seconds))) }
    for _ in 0..<count { #expect(admit(0) == 0) }
    #expect(admit(1) == nil)
    #expect(admit(59) == nil)
    #expect(admit(60) == 2)
    for _ in 1..<count { #expect(admit(61) == 0) }
    #expect(admit(61) == nil)
    #expect(admit(200) == 1)
  }
}

extension LoopTests {
  /// Says when it is gone.
  final class Canary: Sendable {
    let gone: @Sendable () -> Void
    init(_ gone: @escaping @Sendable () -> Void) { self.gone = gone }
    deinit { gone() }
  }

  struct Caged: Service {
    let canary: Canary
    var handlers: [MethodHandler] {
      [.unary(Worksite.thread) { [canary] request, _ in withExtendedLifetime(canary) { request } }]
    }
  }

  @Test("a server that was stopped leaves nothing behind", arguments: Way.allCases) func leavesNothing(_ way: Way)
    async throws
  {
    let (gone, told) = AsyncStream<Void>.makeStream()
    do {
      let server = Server(services: [Caged(canary: Canary { told.yield() })])
      let channel = try Channel(try server.start(listeningOn: way.listenAddress())[0].target)
      for _ in 0..<10 { _ = try await channel.unary(Worksite.thread, [], options: Self.timely) }
      channel.close()
      await server.drain(limit: .seconds(10))
    }
    // The limit is the suite's.
    for await _ in gone { break }
  }
}
