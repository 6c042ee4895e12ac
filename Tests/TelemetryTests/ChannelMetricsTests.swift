import Synchronization
import TestSupport
import Testing
import Volery
import VoleryMetrics
import VoleryObservation
import VoleryPrometheus

/// Who gets which call, and what becomes of connections.
@Suite("Metrics of channels and servers", .timeLimit(.minutes(1))) struct ChannelMetricsTests {
  let backend = PrometheusBackend()

  /// Counts its calls by itself.
  final class Pod: Service, Sendable {
    let calls = Atomic<Int>(0)

    var handlers: [MethodHandler] {
      [
        .unary(Subject.echo) { [self] request, _ in
          calls.add(1, ordering: .relaxed)
          return request
        }
      ]
    }
  }

  @Test("the share of calls of each server, of the metrics alone, is what the servers have counted")
  func share() async throws {
    var pods: [(pod: Pod, server: Server, address: SocketAddress, metrics: PrometheusBackend)] = []
    for _ in 0..<4 {
      let (pod, own) = (Pod(), PrometheusBackend())
      var options = ServerOptions()
      options.observers = [MetricsObserver(factory: own)]
      let server = Server(services: [pod], options: options)
      pods.append((pod, server, try server.start(listeningOn: .tcp("127.0.0.1", 0))[0], own))
    }
    defer { for pod in pods { pod.server.shutDown() } }
    var options = ChannelOptions()
    options.observers = [MetricsObserver(factory: backend)]
    let channel = try Channel(
      "ipv4:\(pods.map(\.address.description).joined(separator: ","))", options: options)
    try await withThrowingTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<100 { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) }
        }
      }
      try await group.waitForAll()
    }
    for pod in pods {
      let served = Double(pod.pod.calls.load(ordering: .relaxed))
      #expect(served > 100)
      #expect(backend.value("volery.channel.picks", ["volery.endpoint": "\(pod.address)"]) == served)
      #expect(pod.metrics.value("grpc.server.call.started", ["grpc.method": "test.Subject/Echo"]) == served)
    }
    #expect(backend.value("volery.channel.picks") == 800)
    try await eventually("nothing is outstanding") { backend.value("volery.channel.outstanding") == 0 }
    #expect(backend.value("volery.channel.endpoints") == 4)
    #expect(backend.value("volery.channel.subchannels", ["volery.state": "READY"]) == 4)
    #expect(backend.value("grpc.subchannel.open_connections") == 4)
    #expect(backend.value("grpc.subchannel.connection_attempts_succeeded") == 4)
    #expect(backend.value("volery.client.attempt.queue_time") ?? 0 >= 1)
    channel.close()
    try await eventually("all is gone") {
      backend.value("grpc.subchannel.open_connections") == 0 && backend.value("volery.channel.endpoints") == 0
        && backend.value("volery.channel.subchannels") == 0
    }
  }

  @Test("the resolver's answers are counted, with their time") func resolver() async throws {
    let before = WallTime.now
    try await Subject.run(client: [MetricsObserver(factory: backend)]) { channel in
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
    }
    #expect(backend.value("volery.resolver.answers") ?? 0 >= 1)
    let time = try #require(backend.value("volery.resolver.last_answer"))
    #expect(time >= before && time <= WallTime.now)
    let channelOptions = { () -> ChannelOptions in
      var options = ChannelOptions()
      options.observers = [MetricsObserver(factory: backend)]
      return options
    }()
    let channel = try Channel("file:///nowhere/endpoints.json", options: channelOptions)
    await #expect(throws: StatusError.self) { try await channel.unary(Subject.echo, [1], options: Subject.timely) }
    #expect(backend.value("volery.resolver.failures", ["grpc.target": channel.target.description]) ?? 0 >= 1)
    channel.close()
  }

  @Test("connections that a server says goodbye to are told apart, where labels are asked for") func goodbye()
    async throws
  {
    var options = MetricsOptions()
    options.optionalLabels = Set(OptionalLabel.allCases)
    let metrics = MetricsObserver(factory: backend, options: options)
    let server = Server(services: [Subject()])
    defer { server.shutDown() }
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    var channelOptions = ChannelOptions()
    channelOptions.observers = [metrics]
    let channel = try Channel("ipv4:\(address)", options: channelOptions)
    _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
    #expect(
      backend.value(
        "grpc.subchannel.open_connections",
        ["grpc.security_level": "none", "grpc.lb.locality": "", "grpc.lb.backend_service": ""]) == 1)
    await server.drain(limit: .seconds(5))
    // A connection that comes while the server drains is told the same, and counts as well.
    try await eventually("the connection has ended") {
      backend.value("grpc.subchannel.disconnections", ["grpc.disconnect_error": "GOAWAY NO_ERROR"]) ?? 0 >= 1
        && backend.value("grpc.subchannel.open_connections") == 0
    }
    #expect(backend.value("volery.channel.connections_drained", ["volery.reason": "goodbye"]) ?? 0 >= 1)
    #expect(backend.value("grpc.client.attempt.duration", ["grpc.lb.locality": ""]) == 1)
    channel.close()
  }

  @Test("connections that can't be made are counted") func failedConnections() async throws {
    var options = ChannelOptions()
    options.observers = [MetricsObserver(factory: backend)]
    // Nobody listens on port 1.
    let channel = try Channel("ipv4:127.0.0.1:1", options: options)
    await #expect(throws: StatusError.self) { try await channel.unary(Subject.echo, [1], options: Subject.timely) }
    #expect(backend.value("grpc.subchannel.connection_attempts_failed") ?? 0 >= 1)
    #expect(backend.value("grpc.subchannel.connection_attempts_succeeded") == nil)
    // Nothing was sent.
    #expect(backend.value("grpc.client.attempt.started", [:]) ?? 0 == 0)
    channel.close()
  }

  @Test("a server that is ejected is counted, until it answers again") func ejected() async throws {
    let failures = Subject.Counter(10)
    try await Subject.run(Subject(failures: failures), client: [MetricsObserver(factory: backend)]) { channel in
      for _ in 0..<5 {
        await #expect(throws: StatusError.self) {
          try await channel.unary(Subject.flaky, [1], options: Subject.timely)
        }
      }
      try await eventually("it is aside") {
        backend.value("volery.channel.subchannels_ejected", ["volery.reason": "failures"]) == 1
      }
      #expect(backend.value("volery.channel.ejections") == 1)
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      try await eventually("it is back") {
        backend.value("volery.channel.subchannels_ejected", ["volery.reason": "failures"]) == 0
      }
    }
  }

  /// A service of which one server fails.
  struct Half: Service {
    let fails: Bool
    var handlers: [MethodHandler] {
      [
        .unary(Subject.echo) { [fails] request, _ in
          if fails { throw StatusError(.unavailable, "broken") }
          return request
        }
      ]
    }
  }

  @Test("ejections of outlier_detection are counted as gRFC A91 has them") func outlier() async throws {
    var addresses: [String] = []
    var servers: [Server] = []
    for number in 0..<4 {
      let server = Server(services: [Half(fails: number == 0)])
      addresses.append("\(try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])")
      servers.append(server)
    }
    defer { for server in servers { server.shutDown() } }
    var options = ChannelOptions()
    options.observers = [MetricsObserver(factory: backend)]
    options.ejectsFailingServers = false
    options.serviceConfig = try ServiceConfig(
      json: """
        {"loadBalancingConfig": [{"outlier_detection": {"interval": "0.5s", "baseEjectionTime": "60s",
         "failurePercentageEjection": {"threshold": 50, "minimumHosts": 2, "requestVolume": 2},
         "childPolicy": [{"round_robin": {}}]}}]}
        """)
    let channel = try Channel("ipv4:\(addresses.joined(separator: ","))", options: options)
    try await eventually("a server is ejected") {
      // One of four fails, which is what it takes.
      for _ in 0..<8 {
        do { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) } catch {}
      }
      return backend.value(
        "grpc.lb.outlier_detection.ejections_enforced",
        ["grpc.lb.outlier_detection.detection_method": "failure_percentage"]) == 1
    }
    #expect(backend.value("volery.channel.subchannels_ejected", ["volery.reason": "outlier"]) == 1)
    channel.close()
    try await eventually("nothing is aside") { backend.value("volery.channel.subchannels_ejected") == 0 }
  }

  @Test("what outlier_detection finds and lets go on is counted with its reason") func spared() async throws {
    let servers = [true, false].map { Server(services: [Half(fails: $0)]) }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { "\(try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])" }
    var options = ChannelOptions()
    options.observers = [MetricsObserver(factory: backend)]
    options.ejectsFailingServers = false
    options.serviceConfig = try ServiceConfig(
      json: """
        {"loadBalancingConfig": [{"outlier_detection": {"interval": "0.2s",
         "failurePercentageEjection": {"threshold": 50, "minimumHosts": 2, "requestVolume": 2, "enforcementPercentage": 0},
         "childPolicy": [{"round_robin": {}}]}}]}
        """)
    let channel = try Channel("ipv4:\(addresses.joined(separator: ","))", options: options)
    try await eventually("a server is found twice") {
      for _ in 0..<8 {
        do { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) } catch {}
      }
      let labels = [
        "grpc.lb.outlier_detection.detection_method": "failure_percentage",
        "grpc.lb.outlier_detection.unenforced_reason": "enforcement_percentage",
      ]
      return backend.value("grpc.lb.outlier_detection.ejections_unenforced", labels) ?? 0 >= 2
    }
    #expect(backend.value("grpc.lb.outlier_detection.ejections_enforced") == nil)
    #expect(backend.value("volery.channel.subchannels_ejected", ["volery.reason": "outlier"]) ?? 0 == 0)
    channel.close()
  }

  @Test("what weighted_round_robin shares calls by is counted: servers without reports, and their weights")
  func weights()
    async throws
  {
    let loads = [500.0, 1500, 0].map { rate in
      let load = LoadRecorder()
      load.update {
        $0.queriesPerSecond = rate
        $0.applicationUtilization = rate > 0 ? 0.5 : 0
      }
      return load
    }
    let servers = loads.map { load in
      var options = ServerOptions()
      options.loadRecorder = load
      return Server(services: [Subject()], options: options)
    }
    defer { for server in servers { server.shutDown() } }
    let addresses = try servers.map { "\(try $0.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0])" }
    var options = ChannelOptions()
    var metrics = MetricsOptions()
    metrics.optionalLabels = [.locality]
    options.observers = [MetricsObserver(factory: backend, options: metrics)]
    options.serviceConfig = try ServiceConfig(
      json: """
        {"loadBalancingConfig": [{"weighted_round_robin": {"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}}]}
        """)
    let channel = try Channel("ipv4:\(addresses.joined(separator: ","))", options: options)
    try await eventually("two of three have reported") {
      for _ in 0..<6 { _ = try await channel.unary(Subject.echo, [1], options: Subject.timely) }
      return backend.histogram("grpc.lb.wrr.endpoint_weights")?.sum ?? 0 >= 4000
    }
    let labels = ["grpc.target": "\(channel.target)", "grpc.lb.locality": ""]
    let weights = try #require(backend.histogram("grpc.lb.wrr.endpoint_weights", labels))
    // 1000 and 3000 calls a second, and 0 each time for the third.
    #expect(Int(weights.sum) % 1000 == 0)
    #expect(backend.value("grpc.lb.wrr.rr_fallback", labels) ?? 0 >= 1)
    #expect(backend.value("grpc.lb.wrr.endpoint_weight_not_yet_usable", labels) ?? 0 >= 3)
    #expect(backend.value("grpc.lb.wrr.endpoint_weight_stale") == nil)
    channel.close()
  }

  @Test("a server's connections and its end are counted") func server() async throws {
    let metrics = MetricsObserver(factory: backend)
    try await Subject.run(server: [metrics]) { channel in
      _ = try await channel.unary(Subject.echo, [1], options: Subject.timely)
      #expect(backend.value("volery.server.open_connections") == 1)
    }
    try await eventually("the connection has ended") { backend.value("volery.server.open_connections") == 0 }
    #expect(backend.value("volery.server.connections") == 1)
    #expect(backend.value("volery.server.drains") == 1)
    try await eventually("it has stopped") { backend.value("volery.server.draining") == 0 }
  }

  @Test("servers that come and go leave a bounded number of series; those that are there keep theirs")
  func churn() throws {
    var options = MetricsOptions()
    options.maxEndpoints = 20
    let metrics = MetricsObserver(factory: backend, options: options)
    let channel = ObservedChannel(target: "dns:///orders:50051", authority: "orders")
    metrics.happened(.created, to: channel)
    func endpoint(_ number: Int) -> Endpoint { Endpoint(.tcp("10.0.\(number / 256).\(number % 256)", 50051)) }
    func attempt(on subchannel: Int) throws {
      let call = try #require(
        metrics.callStarted(ObservedCall(channel: channel, method: Subject.echo.descriptor, deadline: .none)))
      var metadata = Metadata()
      _ = call.attemptStarted(
        ObservedAttempt(
          cause: .first, previousAttempts: 0, peer: Peer(address: .tcp("10.0.0.1", 50051)), subchannel: subchannel,
          waited: .zero), metadata: &metadata)
    }
    for number in 0..<5000 {
      metrics.happened(.subchannelCreated(id: number, endpoint(number)), to: channel)
      try attempt(on: number)
      if number >= 10 { metrics.happened(.subchannelRemoved(id: number - 10), to: channel) }
      #expect(backend.labels("volery.channel.picks").count <= 21)
      let label = "\(endpoint(number).addresses[0])"
      #expect(backend.value("volery.channel.picks", ["volery.endpoint": label]) == 1)
    }
    #expect(backend.value("volery.channel.subchannels") == 10)
    // More at once than have labels of their own.
    for number in 6000..<6030 {
      metrics.happened(.subchannelCreated(id: number, endpoint(number)), to: channel)
      try attempt(on: number)
    }
    #expect(backend.value("volery.channel.picks", ["volery.endpoint": "other"]) == 20)
    #expect(backend.labels("volery.channel.picks").count == 21)
  }
}
