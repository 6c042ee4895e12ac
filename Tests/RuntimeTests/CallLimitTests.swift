import Synchronization
import TestSupport
import Testing
import Volery
import VoleryServer

/// The limits of calls count handlers that run, whatever their clients do.
@Suite("Limits of calls", .timeLimit(.minutes(1))) struct CallLimitTests {
  static let stay = Method<[UInt8], [UInt8]>(service: "test.Stubborn", name: "Stay", kind: .unary)
  static let drip = Method<[UInt8], [UInt8]>(service: "test.Stubborn", name: "Drip", kind: .bidirectional)

  /// Handlers that heed no cancellation, until they are let go.
  final class Stubborn: Service, Sendable {
    private struct State {
      var running = 0
      var most = 0
      var isOpen = false
      var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Mutex(State())
    private let executor: MethodHandler.Executor

    init(_ executor: MethodHandler.Executor) { self.executor = executor }

    /// The most handlers that have run at once.
    var most: Int { state.withLock { $0.most } }
    var running: Int { state.withLock { $0.running } }

    private func stay() async {
      state.withLock {
        $0.running += 1
        $0.most = max($0.most, $0.running)
      }
      await withCheckedContinuation { continuation in
        let isOpen = state.withLock { state in
          if !state.isOpen { state.waiting.append(continuation) }
          return state.isOpen
        }
        if isOpen { continuation.resume() }
      }
      state.withLock { $0.running -= 1 }
    }

    func letGo() {
      let waiting = state.withLock { state in
        state.isOpen = true
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }

    var handlers: [MethodHandler] {
      [
        MethodHandler.unary(CallLimitTests.stay) { request, _ in
          await self.stay()
          return request
        }.on(executor),
        MethodHandler.bidirectional(CallLimitTests.drip) { _, _, _ in await self.stay() }.on(executor),
      ]
    }
  }

  /// Makes calls that end before their handlers do, and looks how many of these run at once; then lets them go, and waits
  /// until calls are taken again.
  private func check(_ way: Way, _ service: Stubborn, _ options: ServerOptions, limit: Int) async throws {
    let server = Server(services: [service], options: options)
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    var channelOptions = ChannelOptions()
    channelOptions.maxConnectionsPerServer = 1
    let channel = try Channel(address.target, options: channelOptions)
    // Calls whose clients are gone before their handlers are: half of them by their deadlines, which both sides have, half by
    // a reset.
    try await eventually("every place is taken") {
      await withTaskGroup(of: Void.self) { group in
        for index in 0..<10 {
          group.addTask {
            if index % 2 == 0 {
              let options = CallOptions(timeout: .milliseconds(30))
              do throws(StatusError) { _ = try await channel.unary(Self.stay, [1], options: options) } catch {
                #expect([.deadlineExceeded, .resourceExhausted].contains(error.code), "\(error)")
              }
            } else {
              let call = channel.bidirectional(Self.drip, options: CallOptions(timeout: .seconds(20)))
              do throws(StatusError) { try await call.send([1]) } catch {
                #expect(error.code == .resourceExhausted, "\(error)")
              }
              try? await Task.sleep(for: .milliseconds(20))
              call.cancel()
            }
          }
        }
      }
      return service.running == limit
    }
    // From here on nothing is taken.
    for _ in 0..<100 {
      let error = await #expect(throws: StatusError.self) {
        try await channel.unary(Self.stay, [1], options: CallOptions(timeout: .seconds(20)))
      }
      #expect(error?.code == .resourceExhausted)
      let call = channel.bidirectional(Self.drip, options: CallOptions(timeout: .seconds(20)))
      #expect(await call.status.code == .resourceExhausted)
    }
    #expect(service.most == limit, "\(service.most) handlers at once")
    service.letGo()
    // Their places are free once they have returned.
    try await eventually("calls are taken again") {
      do throws(StatusError) {
        _ = try await channel.unary(Self.stay, [2], options: CallOptions(timeout: .seconds(20)))
        return true
      } catch {
        #expect(error.code == .resourceExhausted)
        return false
      }
    }
    try await eventually("no call is counted any more") { server.dispatcher.callCount == 0 }
  }

  @Test(
    "as many handlers run at once on a server as it allows, though their clients go and come again",
    arguments: Way.allCases, [false, true])
  func server(_ way: Way, _ isElsewhere: Bool) async throws {
    var options = ServerOptions()
    options.maxConcurrentCalls = 10
    try await check(way, Stubborn(isElsewhere ? .sharedPool : .eventLoop), options, limit: 10)
  }

  @Test("the limit is one for all loops of a server") func loops() async throws {
    var options = ServerOptions()
    options.maxConcurrentCalls = 10
    options.eventLoops = 3
    let service = Stubborn(.eventLoop)
    let server = Server(services: [service], options: options)
    let address = try server.start(listeningOn: Way.tcp.listenAddress())[0]
    defer { server.shutDown() }
    // A connection each, which the server gives to its loops in turn.
    let channels = try (0..<6).map { _ in try Channel(address.target) }
    let codes = try await withThrowingTaskGroup(of: StatusCode.self) { group in
      for index in 0..<60 {
        group.addTask {
          do throws(StatusError) {
            _ = try await channels[index % 6].unary(Self.stay, [1], options: CallOptions(timeout: .seconds(20)))
            return .ok
          } catch { return error.code }
        }
      }
      try await eventually("every place is taken") { service.running == 10 && server.dispatcher.callCount == 10 }
      var codes: [StatusCode] = []
      while codes.count < 50, let code = try await group.next() { codes.append(code) }
      service.letGo()
      while let code = try await group.next() { codes.append(code) }
      return codes
    }
    #expect(codes.filter { $0 == .resourceExhausted }.count == 50)
    #expect(codes.filter { $0 == .ok }.count == 10)
    #expect(service.most == 10, "\(service.most) handlers at once")
    try await eventually("no call is counted any more") { server.dispatcher.callCount == 0 }
  }

  @Test(
    "as many handlers run at once for a connection as it may have streams", arguments: [Way.tcp, .unix], [false, true])
  func connection(_ way: Way, _ isElsewhere: Bool) async throws {
    var options = ServerOptions()
    options.maxConcurrentStreams = 10
    try await check(way, Stubborn(isElsewhere ? .sharedPool : .eventLoop), options, limit: 10)
  }
}
