import TestSupport
import Testing
import Volery

/// Picks that want more than a subchannel, over real sockets.
@Suite("Picks", .timeLimit(.minutes(1))) struct PickTests {
  @Test("a pick's metadata is sent after the call's own, and it hears of status, trailers, load and time") func heard()
    async throws
  {
    let (server, address) = try NotingStage.start()
    defer { server.shutDown() }
    let notes = Notes()
    let channel = try NotingStage.channel(to: address, Noting(notes: notes, metadata: ["x-in": "picker"]))
    var options = NotingStage.limit
    options.metadata = ["x-in": "caller"]
    #expect(try await channel.unary(Reporting.call, [], options: options).message == Array("caller,picker".utf8))
    try await eventually("the pick hears") { notes.ends.count == notes.picks }
    let end = try #require(notes.ends.last)
    #expect(end.code == .ok && end.wasSent && end.duration > .zero)
    #expect(end.loadReport == Reporting.report)
    await #expect(throws: StatusError.self) { try await channel.unary(RawEcho.fail, [65], options: NotingStage.limit) }
    try await eventually("the pick hears") { notes.ends.count == notes.picks }
    #expect(notes.ends.last?.code == .failedPrecondition && notes.ends.last?.origin == .peer)
    #expect(notes.ends.last?.trailingMetadata["reason"] == "asked")
    #expect(notes.ends.last?.loadReport == nil)
  }

  @Test("metadata of a picker that can't be sent ends the call, and the text says whose it is") func badMetadata()
    async throws
  {
    let (server, address) = try NotingStage.start()
    defer { server.shutDown() }
    let notes = Notes()
    let channel = try NotingStage.channel(to: address, Noting(notes: notes, metadata: ["grpc-mine": "1"]))
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(RawEcho.unary, [1], options: NotingStage.limit)
    }
    #expect(error?.code == .internal)
    #expect(error?.message.contains("the picker of the load balancing policy \"noting\" adds metadata") == true)
    #expect(notes.ends.count == notes.picks && notes.ends.allSatisfy { !$0.wasSent })
  }

  @Test("every pick hears once, whatever becomes of it: cancelled, late, hedged, lost before it was sent") func once()
    async throws
  {
    let (server, address) = try NotingStage.start()
    let notes = Notes()
    var options = ChannelOptions()
    options.loadBalancingPolicies.register(Noting(notes: notes))
    options.loadBalancingPolicy = "noting"
    options.serviceConfig = try ServiceConfig(
      json: """
        {"methodConfig": [{"name": [{"service": "test.Raw", "method": "Hang"}], \
        "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s"}}]}
        """)
    let channel = try Channel(address.target, options: options)
    try await channel.waitUntilReady(.after(.seconds(20)))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<60 {
        group.addTask {
          let short = CallOptions(timeout: .milliseconds(20 + index))
          // Some are answered, most are not; what matters is what their picks hear.
          switch index % 4 {
          case 0: await Self.attempt { try await channel.unary(RawEcho.hang, [1], options: short) }
          case 1: await Self.attempt { try await channel.unary(RawEcho.unary, [1], options: short) }
          case 2:
            let call = Task { try await channel.unary(RawEcho.hang, [1], options: NotingStage.limit) }
            await Task.yield()
            call.cancel()
            await Self.attempt { try await call.value }
          default: channel.bidirectional(RawEcho.chat, options: short).cancel()
          }
        }
        if index == 40 {
          try await eventually("some have been picked for") { notes.picks > 5 }
          server.shutDown()
        }
      }
      try await group.waitForAll()
    }
    channel.close()
    try await eventually("all picks have heard: \(notes.picks)") { notes.ends.count == notes.picks }
    #expect(!notes.calledTwice)
  }

  private static func attempt(_ body: () async throws -> ClientResponse<[UInt8]>) async {
    do { _ = try await body() } catch { #expect(error is StatusError, "\(error)") }
  }
}
