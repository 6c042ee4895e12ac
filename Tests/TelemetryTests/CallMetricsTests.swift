import CoreMetrics
import TestSupport
import Testing
import Volery
import VoleryMetrics
import VoleryPrometheus

/// gRFC A66 and A96, over real sockets.
@Suite("Metrics of calls", .timeLimit(.minutes(1))) struct CallMetricsTests {
  let server = PrometheusBackend()
  let client = PrometheusBackend()

  func run(
    _ service: Subject = Subject(), options: MetricsOptions = MetricsOptions(), config: String? = nil,
    target: (@Sendable ([SocketAddress]) -> String)? = nil, _ body: (Channel) async throws -> Void
  ) async throws {
    try await Subject.run(
      service, server: [MetricsObserver(factory: server, options: options)],
      client: [MetricsObserver(factory: client, options: options)], config: config, target: target, body)
  }

  /// Calls that have ended at either end: a server's is over only when its client has it all.
  func ended(_ backend: PrometheusBackend, _ name: String, _ count: Double) async throws {
    try await eventually("\(name) has \(count)") { backend.value(name) == count }
  }

  @Test("a unary call is counted at both ends, under gRPC's names") func unary() async throws {
    try await run { channel in _ = try await channel.unary(Subject.echo, [1, 2, 3], options: Subject.timely) }
    try await ended(server, "grpc.server.call.duration", 1)
    try await ended(client, "grpc.client.attempt.duration", 1)
    let method = "test.Subject/Echo"
    let target = try #require(client.labels("grpc.client.attempt.started").first?["grpc.target"])
    #expect(target.hasPrefix("ipv4:///127.0.0.1:"))
    #expect(server.labels("grpc.server.call.started") == [["grpc.method": method]])
    #expect(client.labels("grpc.client.attempt.started") == [["grpc.method": method, "grpc.target": target]])
    for name in ["duration", "sent_total_compressed_message_size", "rcvd_total_compressed_message_size"] {
      #expect(server.labels("grpc.server.call.\(name)") == [["grpc.method": method, "grpc.status": "OK"]])
      #expect(
        client.labels("grpc.client.attempt.\(name)")
          == [["grpc.method": method, "grpc.target": target, "grpc.status": "OK"]])
    }
    #expect(
      client.labels("grpc.client.call.duration")
        == [["grpc.method": method, "grpc.target": target, "grpc.status": "OK"]])
    #expect(server.histogram("grpc.server.call.rcvd_total_compressed_message_size")?.sum == 3)
    #expect(client.histogram("grpc.client.attempt.sent_total_compressed_message_size")?.sum == 3)
    let call = try #require(client.histogram("grpc.client.call.duration"))
    let served = try #require(server.histogram("grpc.server.call.duration"))
    #expect(call.sum > 0 && call.sum < 20 && served.sum > 0 && served.sum <= call.sum)
    // Nothing was retried, and nothing of it is there.
    #expect(client.names.allSatisfy { !$0.contains("retries") && !$0.contains("hedges") })
    #expect(server.names.allSatisfy { !$0.hasPrefix("rpc.") } && client.names.allSatisfy { !$0.hasPrefix("rpc.") })
  }

  @Test("failed calls have their codes at both ends: an error that is thrown, a status, a deadline") func codes()
    async throws
  {
    try await run { channel in
      for method in [Subject.throwing, Subject.missing] {
        await #expect(throws: StatusError.self) { try await channel.unary(method, [], options: Subject.timely) }
      }
      await #expect(throws: StatusError.self) {
        try await channel.unary(Subject.hang, [], options: CallOptions(timeout: .milliseconds(50)))
      }
    }
    for (method, code) in [("Throwing", "UNKNOWN"), ("Missing", "NOT_FOUND"), ("Hang", "DEADLINE_EXCEEDED")] {
      let labels = ["grpc.method": "test.Subject/\(method)", "grpc.status": code]
      #expect(client.value("grpc.client.call.duration", labels) == 1, "\(method)")
      // Both ends have the deadline, and the client's reset may come before the server's own has passed.
      let given = labels.merging(["grpc.status": method == "Hang" ? "CANCELLED" : code]) { $1 }
      try await eventually("\(method) has ended with \(code)") {
        server.value("grpc.server.call.duration", labels) == 1 || server.value("grpc.server.call.duration", given) == 1
      }
    }
  }

  @Test("percentiles are right: of calls of 1 ms and 400 ms, the half and 95 %") func percentiles() async throws {
    // As the caller has them, each a little longer than what is recorded of it.
    var times: [Duration] = []
    try await run { channel in
      for number in 0..<20 {
        let milliseconds = number % 10 == 0 ? 400 : 1
        let request = [UInt8(milliseconds / 256), UInt8(milliseconds % 256)]
        let started = ContinuousClock.now
        _ = try await channel.unary(Subject.slow, request, options: Subject.timely)
        times.append(started.duration(to: .now))
      }
    }
    times.sort()
    func seconds(_ index: Int) -> Double { times[index] / .seconds(1) }
    try await ended(server, "grpc.server.call.duration", 20)
    for (backend, name) in [(server, "grpc.server.call.duration"), (client, "grpc.client.call.duration")] {
      let histogram = try #require(backend.histogram(name))
      #expect(histogram.bounds == HistogramBounds.latency)
      let (half, most) = (histogram.bucket(ofQuantile: 0.5), histogram.bucket(ofQuantile: 0.95))
      #expect(half.lowerBound >= 0.001, "\(name): \(half)")
      #expect(most.lowerBound >= 0.4, "\(name): \(most)")
      // A server's call is over when its client has heard so, which may be later.
      guard name.hasPrefix("grpc.client") else { continue }
      #expect(half.lowerBound <= seconds(10), "\(name): \(half)")
      #expect(most.lowerBound <= seconds(19), "\(name): \(most)")
      // Where nothing held the machine up.
      #expect(half.upperBound <= 0.3 || seconds(10) > 0.3, "\(name): \(half)")
      #expect(most.upperBound <= 1 || seconds(19) > 1, "\(name): \(most)")
    }
  }

  @Test("retries are counted as gRFC A96 has them, and each attempt by itself") func retries() async throws {
    let config = """
      {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.1s",
       "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
      """
    try await run(Subject(failures: Subject.Counter(2)), config: config) { channel in
      _ = try await channel.unary(Subject.flaky, [1], options: Subject.timely)
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
    }
    #expect(client.value("grpc.client.attempt.duration", ["grpc.status": "UNAVAILABLE"]) == 2)
    #expect(client.value("grpc.client.attempt.started") == 4)
    #expect(client.value("grpc.client.call.duration", ["grpc.status": "OK"]) == 2)
    let retries = try #require(client.histogram("grpc.client.call.retries"))
    #expect(retries.sum == 2 && retries.count == 1 && retries.bounds == [1, 2, 3, 4, 5])
    let delay = try #require(client.histogram("grpc.client.call.retry_delay"))
    #expect(delay.count == 1 && delay.sum > 0.001 && delay.sum < 10)
    #expect(client.value("grpc.client.call.hedges") == nil)
    let budget = try #require(client.value("volery.channel.retry_budget"))
    #expect(budget > 40 && budget <= 50)
  }

  @Test("hedges are counted") func hedges() async throws {
    let config = """
      {"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s"}}]}
      """
    try await givenTime("all attempts have begun") { time in
      let client = PrometheusBackend()
      try await Subject.run(client: [MetricsObserver(factory: client)], config: config) { channel in
        await #expect(throws: StatusError.self) {
          try await channel.unary(Subject.hang, [], options: CallOptions(timeout: time))
        }
      }
      guard client.value("grpc.client.attempt.started") == 3 else { return false }
      #expect(client.histogram("grpc.client.call.hedges")?.sum == 2)
      try await ended(client, "grpc.client.attempt.duration", 3)
      return true
    }
  }

  @Test(
    "a caller's own label (gRFC A108) is in its calls' series where it is asked for, and empty for those without one")
  func customLabel() async throws {
    var options = MetricsOptions()
    options.optionalLabels = [.custom]
    options.maxCustomLabels = 3
    let config = """
      {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 2, "initialBackoff": "0.01s",
        "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
      """
    // Two channels to the same target count together.
    let metrics = MetricsObserver(factory: client, options: options)
    try await Subject.run(client: [metrics], config: config) { channel in
      var channelOptions = ChannelOptions()
      channelOptions.observers = [metrics]
      let second = try Channel(channel.target.description, options: channelOptions)
      for channel in [channel, second] {
        for label in [nil, "", "gold", "silver", "bronze", "tin", "lead"] {
          var call = Subject.timely
          call.telemetryLabel = label
          _ = try await channel.unary(Subject.echo, [1], options: call)
        }
      }
      // A client's defaults have it for all of its calls, and a call its own.
      var defaults = CallOptions()
      defaults.telemetryLabel = "gold"
      let invoker = CallInvoker(channel, defaults: defaults)
      _ = try await invoker.unary(Subject.echo, [1], options: Subject.timely)
      second.close()
    }
    let name = "grpc.client.call.custom"
    for (label, count) in [("", 4.0), ("gold", 3), ("silver", 2), ("bronze", 2), ("other", 4)] {
      #expect(client.value("grpc.client.attempt.started", [name: label]) == count, "\(label)")
      #expect(client.histogram("grpc.client.call.duration", [name: label])?.count == Int(count), "\(label)")
    }
    for metric in client.names where metric.hasPrefix("grpc.client.") {
      #expect(client.labels(metric).allSatisfy { $0[name] != nil }, "\(metric)")
    }
    for metric in client.names where metric.hasPrefix("grpc.subchannel.") {
      #expect(client.labels(metric).allSatisfy { $0[name] == nil }, "\(metric)")
    }
  }

  @Test("a caller's own label goes nowhere where it is not asked for, and never to the server") func labelUnasked()
    async throws
  {
    try await run { channel in
      var call = Subject.timely
      call.telemetryLabel = "gold"
      _ = try await channel.unary(Subject.echo, [1], options: call)
    }
    #expect(client.labels("grpc.client.attempt.started").allSatisfy { $0.count == 2 && !$0.values.contains("gold") })
    #expect(server.names.allSatisfy { name in server.labels(name).allSatisfy { !$0.values.contains("gold") } })
  }

  @Test("methods that a server has not are `other`, however many names are tried") func unregistered() async throws {
    try await run { channel in
      for number in 0..<200 {
        let method = Method<[UInt8], [UInt8]>(service: "test.Nobody", name: "Knows\(number)", kind: .unary)
        await #expect(throws: StatusError.self) { try await channel.unary(method, [], options: Subject.timely) }
      }
    }
    #expect(server.labels("grpc.server.call.started") == [["grpc.method": "other"]])
    try await ended(server, "grpc.server.call.duration", 200)
    #expect(
      server.labels("grpc.server.call.duration") == [["grpc.method": "other", "grpc.status": "UNIMPLEMENTED"]])
  }

  @Test("a program may ask for these names") func namedUnregistered() async throws {
    var options = MetricsOptions()
    options.recordsUnregisteredMethod = { $0 == "/test.Nobody/Knows" }
    try await run(options: options) { channel in
      await #expect(throws: StatusError.self) { try await channel.unary(Subject.unknown, [], options: Subject.timely) }
    }
    #expect(server.labels("grpc.server.call.started") == [["grpc.method": "test.Nobody/Knows"]])
  }

  @Test("a client's methods and targets are bounded, too") func bounded() async throws {
    var options = MetricsOptions()
    options.maxMethods = 10
    options.maxTargets = 1
    let metrics = MetricsObserver(factory: client, options: options)
    for _ in 0..<2 {
      try await Subject.run(client: [metrics]) { channel in
        for number in 0..<20 {
          let method = Method<[UInt8], [UInt8]>(service: "test.Nobody", name: "Knows\(number)", kind: .unary)
          await #expect(throws: StatusError.self) { try await channel.unary(method, [], options: Subject.timely) }
        }
      }
    }
    let labels = client.labels("grpc.client.attempt.started")
    #expect(Set(labels.map { $0["grpc.target"] }).count == 2 && labels.contains { $0["grpc.target"] == "other" })
    #expect(Set(labels.map { $0["grpc.method"] }).count == 11, "\(labels)")
    #expect(client.value("grpc.client.attempt.started") == 40)
    #expect(client.value("grpc.client.attempt.started", ["grpc.method": "other"]) == 20)
  }

  @Test("the target is the canonical one, with its scheme") func canonicalTarget() async throws {
    try await run(target: { "\($0[0])" }) { channel in
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      #expect(
        client.labels("grpc.client.attempt.started").first?["grpc.target"]?.hasPrefix("dns:///127.0.0.1:") == true)
    }
  }

  @Test("OpenTelemetry's names come with the switch that it names, instead or besides")
  func openTelemetry() async throws {
    #expect(TelemetryConventions(optIn: nil) == .grpc && TelemetryConventions(optIn: "http,database") == .grpc)
    #expect(TelemetryConventions(optIn: "http, rpc") == .openTelemetry)
    #expect(TelemetryConventions(optIn: "rpc,rpc/dup") == .both)
    for conventions in [TelemetryConventions.openTelemetry, .both] {
      let backend = PrometheusBackend()
      var options = MetricsOptions()
      options.conventions = conventions
      let metrics = MetricsObserver(factory: backend, options: options)
      try await Subject.run(server: [metrics], client: [metrics], target: { "\($0[0])" }) { channel in
        await #expect(throws: StatusError.self) {
          try await channel.unary(Subject.missing, [], options: Subject.timely)
        }
      }
      try await eventually("the server has counted") { backend.value("rpc.server.call.duration") == 1 }
      let server = try #require(backend.labels("rpc.server.call.duration").first)
      #expect(
        server == [
          "rpc.system.name": "grpc", "rpc.method": "test.Subject/Missing", "rpc.response.status_code": "NOT_FOUND",
          "error.type": "",
        ])
      var client = try #require(backend.labels("rpc.client.call.duration").first)
      #expect(client.removeValue(forKey: "server.port").flatMap { Int($0) } != nil)
      #expect(
        client == [
          "rpc.system.name": "grpc", "rpc.method": "test.Subject/Missing", "rpc.response.status_code": "NOT_FOUND",
          "error.type": "NOT_FOUND", "server.address": "127.0.0.1",
        ])
      #expect((backend.value("grpc.client.call.duration") != nil) == (conventions == .both))
      #expect((backend.value("grpc.server.call.duration") != nil) == (conventions == .both))
      // What OpenTelemetry has no name for stays.
      #expect(backend.value("grpc.client.attempt.started") == 1)
    }
  }

  @Test("metrics that are not wanted are not made") func disabled() async throws {
    var options = MetricsOptions()
    options.disabled = ["grpc.client.attempt.started", "grpc.server.call.duration"]
    try await run(options: options) { channel in
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
    }
    #expect(!client.names.contains("grpc.client.attempt.started"))
    #expect(!server.names.contains("grpc.server.call.duration"))
    #expect(client.value("grpc.client.call.duration") == 1)
  }
}
