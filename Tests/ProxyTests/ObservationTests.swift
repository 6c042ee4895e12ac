import TestSupport
import Testing
import Volery
import VoleryMetrics
import VoleryPrometheus
import VoleryProxy

@Suite("What is told of a proxy", .timeLimit(.minutes(1))) struct ObservationTests {
  @Test("metrics count forwarded calls by their method, their target and how they ended") func metrics() async throws {
    let backend = PrometheusBackend()
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "\(bound)") {
      $0.eventLoops = 1
      $0.channel.observers = [MetricsObserver(factory: backend)]
    }
    let channel = try Channel(stage.target)
    for _ in 0..<3 { _ = try await channel.unary(Echo.unary, [1]) }
    await #expect(throws: StatusError.self) { _ = try await channel.unary(Echo.fail, [65]) }
    await stage.proxy.drain(limit: .seconds(5))
    let lines = backend.text.split(separator: "\n").filter {
      $0.contains("grpc_client_call_duration") && $0.contains("_count")
    }
    #expect(lines.contains { $0.contains("\"OK\"") && $0.hasSuffix(" 3") }, "\(lines)")
    #expect(lines.contains { $0.contains("\"FAILED_PRECONDITION\"") && $0.hasSuffix(" 1") }, "\(lines)")
    #expect(lines.allSatisfy { $0.contains("\(bound)") }, "\(lines)")
  }

  @Test("a compact line has no more than method, status, time and client") func compact() async throws {
    let recorder = LogRecorder()
    let server = Server(services: [Echo()])
    let bound = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let stage = try Stage(to: "\(bound)") { $0.accessLog = .compact(recorder.logger) }
    let channel = try Channel(stage.target)
    await #expect(throws: StatusError.self) {
      _ = try await channel.unary(
        Echo.fail, Array("secret text".utf8), options: CallOptions(metadata: ["authorization": "secret token"]))
    }
    let line = try await recorder.line(containing: "call")
    let keys = line.split(separator: " ").filter { $0.hasSuffix(":") }
    #expect(keys == ["client:", "method:", "milliseconds:", "status:"], "\(line)")
    #expect(line.contains("FAILED_PRECONDITION") && !line.contains("secret"), "\(line)")
    await stage.proxy.drain(limit: .zero)
  }

  @Test("the proxy's health is NOT_SERVING as soon as it drains, while its calls go on") func health() async throws {
    try await Stage.before(Echo()) { stage, channel in
      let watch = Method<[UInt8], [UInt8]>(service: "grpc.health.v1.Health", name: "Watch", kind: .serverStreaming)
      var states = channel.serverStreaming(watch, []).makeAsyncIterator()
      #expect(try await states.next() == [8, 1])
      let chat = channel.bidirectional(Echo.chat)
      var responses = chat.makeAsyncIterator()
      try await chat.send([1])
      #expect(try await responses.next() == [1])
      let proxy = stage.proxy
      async let drained: Void = proxy.drain(limit: .seconds(20))
      #expect(try await states.next() == [8, 2])
      try await chat.send([2])
      #expect(try await responses.next() == [2])
      chat.finish()
      #expect(try await responses.next() == nil)
      await drained
    }
  }

  @Test("what runs longer than a drain's limit ends with UNAVAILABLE") func drainLimit() async throws {
    try await Stage.before(Echo()) { stage, channel in
      let chat = channel.bidirectional(Echo.chat)
      var responses = chat.makeAsyncIterator()
      try await chat.send([1])
      #expect(try await responses.next() == [1])
      await stage.proxy.drain(limit: .milliseconds(50))
      let error = await #expect(throws: StatusError.self) { _ = try await responses.next() }
      #expect(error?.code == .unavailable)
    }
  }
}
