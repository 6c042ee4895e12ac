import Testing
import VoleryEventLoops
import VoleryTypes
@testable import VoleryServer

/// What loops share of a server, and what they have each for themselves.
@Suite("Call dispatcher", .timeLimit(.minutes(1))) struct CallDispatcherTests {
  private static let method = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Echo", kind: .unary)

  private static func dispatcher(_ options: ServerOptions = ServerOptions()) -> CallDispatcher {
    CallDispatcher(handlers: [.unary(method) { request, _ in request }], options: options)
  }

  private static func withLoops(_ body: (EventLoop, EventLoop) throws -> Void) throws {
    let group = try EventLoopGroup(loops: 2)
    defer { group.stop() }
    try body(group.loops[0], group.loops[1])
  }

  @Test("each loop has a copy of its own, always the same one") func copies() throws {
    try Self.withLoops { first, second in
      let dispatcher = Self.dispatcher()
      #expect(dispatcher.copy(for: first) === dispatcher.copy(for: first))
      #expect(dispatcher.copy(for: first) !== dispatcher.copy(for: second))
      #expect(dispatcher.copy(for: first) !== dispatcher)
      #expect(dispatcher.copy(for: first).server === dispatcher.server)
      #expect(dispatcher.copy(for: first).drainSignal === dispatcher.drainSignal)
    }
  }

  @Test("a copied table finds other entries under the same names and tags") func table() throws {
    let table = ServiceTable([.unary(Self.method) { request, _ in request }])
    let copy = table.copy()
    let path = Array(Self.method.descriptor.path.utf8)
    let (one, other) = path.withUnsafeBytes { (table[$0], copy[$0]) }
    #expect(one != nil && one !== other)
    #expect(one?.tag == other?.tag)
    #expect(copy.path(ofTag: try #require(one?.tag)) == Self.method.descriptor.path)
  }

  @Test("no two methods have the same tag, whatever servers they are of") func tags() throws {
    let path = Array(Self.method.descriptor.path.utf8)
    let tags = (0..<3).compactMap { _ in
      let table = ServiceTable([.unary(Self.method) { request, _ in request }])
      return path.withUnsafeBytes { table[$0]?.tag }
    }
    #expect(Set(tags).count == 3)
    #expect(!tags.contains { [LoopActivity.idle, LoopActivity.unnamed, LoopActivity.observer, ServiceTable.fallbackTag].contains($0) })
  }

  @Test("places are counted for all loops together") func limit() {
    let limit = CallLimit(2)
    #expect(limit.take() && limit.take())
    #expect(!limit.take())
    #expect(!limit.take())
    limit.giveBack()
    #expect(limit.take())
    #expect(!limit.take())
  }
}
