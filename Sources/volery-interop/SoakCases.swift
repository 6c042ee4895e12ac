import Volery

extension InteropCases {
  static let soakCases: [InteropCase] = [
    InteropCase(name: "rpc_soak") { environment in
      try await soak(environment) { environment.client }
    },
    InteropCase(name: "channel_soak") { environment in
      try await soak(environment) { TestServiceClient(try CaseEnvironment.makeChannel(environment.flags)) }
    },
    InteropCase(name: "long_lived_channel", isPartOfAll: false) { environment in
      for _ in 0..<10 {
        _ = try await largeUnary(environment.client, environment.options())
        try await Task.sleep(for: .seconds(3))
      }
    },
  ]

  private static func soak(_ environment: CaseEnvironment, _ client: () throws -> TestServiceClient) async throws {
    let flags = environment.flags
    let limit = Duration.seconds(flags.soakTimeout ?? max(10, flags.soakIterations))
    let clock = ContinuousClock()
    let start = clock.now
    var failures: [String] = []
    for index in 0..<flags.soakIterations {
      guard start.duration(to: clock.now) < limit else {
        throw CaseFailure(description: "only \(index) of \(flags.soakIterations) calls within \(limit)")
      }
      let began = clock.now
      do {
        let request = SimpleRequest(
          responseSize: Int32(clamping: flags.soakResponseBytes), payload: payload(flags.soakRequestBytes))
        let response = try await client().unaryCall(request, options: environment.options())
        let size = response.payload?.body.count ?? 0
        try expect(size == flags.soakResponseBytes, "a payload of \(size) bytes")
        let taken = began.duration(to: clock.now)
        try expect(taken <= .milliseconds(flags.soakMaxLatency), "call \(index) took \(taken)")
      } catch {
        failures.append("\(error)")
      }
      let pause = Duration.milliseconds(flags.soakPause) - began.duration(to: clock.now)
      if pause > .zero { try await Task.sleep(for: pause) }
    }
    try expect(
      failures.count <= flags.soakMaxFailures,
      "\(failures.count) of \(flags.soakIterations) calls failed; the first: \(failures.first ?? "")")
  }

  // MARK: Against servers that misbehave (doc/http2-interop-test-descriptions.md)

  static let http2Cases: [InteropCase] = [
    InteropCase(name: "goaway", isPartOfAll: false) { environment in
      _ = try await largeUnary(environment.client, environment.options())
      try await Task.sleep(for: .seconds(1))
      _ = try await largeUnary(environment.client, environment.options())
    },
    failing("rst_after_header"),
    failing("rst_during_data"),
    failing("rst_after_data"),
    InteropCase(name: "ping", isPartOfAll: false) { _ = try await largeUnary($0.client, $0.options()) },
    InteropCase(name: "max_streams", isPartOfAll: false) { environment in
      _ = try await largeUnary(environment.client, environment.options())
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<10 { group.addTask { _ = try await largeUnary(environment.client, environment.options()) } }
        try await group.waitForAll()
      }
    },
    InteropCase(name: "data_frame_padding", isPartOfAll: false) { _ = try await largeUnary($0.client, $0.options()) },
    InteropCase(name: "no_df_padding_sanity_test", isPartOfAll: false) {
      _ = try await largeUnary($0.client, $0.options())
    },
    InteropCase(name: "max_concurrent_streams_connection_scaling", isPartOfAll: false) { environment in
      let calls = (0..<3).map { _ in
        environment.client.fullDuplexCall(options: environment.options(timeout: .seconds(20)))
      }
      for call in calls {
        var responses = call.makeAsyncIterator()
        try await call.send(StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 1)]))
        try expect(try await responses.next() != nil, "no response")
      }
      for call in calls { call.finish() }
    },
  ]

  private static func failing(_ name: String) -> InteropCase {
    InteropCase(name: name, isPartOfAll: false) { environment in
      let error = try await expectFailure { _ = try await largeUnary(environment.client, environment.options()) }
      try expect(error.code != .deadlineExceeded, "\(error): the call hung")
    }
  }
}
