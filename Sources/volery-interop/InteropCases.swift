import Volery

/// A case of gRPC's interoperability tests (doc/interop-test-descriptions.md).
struct InteropCase: Sendable {
  let name: String
  /// Whether `all` runs it: it needs a server of the ordinary kind only.
  var isPartOfAll = true
  let run: @Sendable (CaseEnvironment) async throws -> Void
}

enum InteropCases {
  static let all: [InteropCase] =
    unaryCases + streamingCases + endingCases + compressionCases + soakCases + http2Cases + fieldCases
    + toolCases + orcaCases
  static let named = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  static func payload(_ size: Int) -> Payload { Payload(body: [UInt8](repeating: 0, count: size)) }

  static func largeUnary(_ client: TestServiceClient, _ options: CallOptions, fillServerID: Bool = false) async throws
    -> SimpleResponse
  {
    let request = SimpleRequest(responseSize: 314159, payload: payload(271828), fillServerID: fillServerID)
    let response = try await client.unaryCall(request, options: options)
    let body = response.payload?.body ?? []
    try expect(body.count == 314159, "a payload of \(body.count) bytes instead of 314159")
    try expect(body.allSatisfy { $0 == 0 }, "the payload is not all zeroes")
    return response
  }

  // MARK: Unary

  static let unaryCases: [InteropCase] = [
    InteropCase(name: "empty_unary") { _ = try await $0.client.emptyCall(Empty(), options: $0.options()) },
    InteropCase(name: "cacheable_unary", isPartOfAll: false) { environment in
      var options = environment.options()
      options.metadata.append("1.2.3.4", for: "x-user-ip")
      let request = SimpleRequest(payload: Payload(body: Array("\(unixSeconds())".utf8)))
      let first = try await environment.client.cacheableUnaryCall(request, options: options)
      let second = try await environment.client.cacheableUnaryCall(request, options: options)
      try expect(first.payload == second.payload, "the second answer differs from the first")
    },
    InteropCase(name: "large_unary") { _ = try await largeUnary($0.client, $0.options()) },
    InteropCase(name: "concurrent_large_unary") { environment in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<environment.flags.concurrentCalls {
          group.addTask { _ = try await largeUnary(environment.client, environment.options(timeout: .seconds(55))) }
        }
        try await group.waitForAll()
      }
    },
    InteropCase(name: "pick_first_unary") { environment in
      var ids: Set<String> = []
      for _ in 0..<100 {
        let request = SimpleRequest(responseSize: 1, payload: payload(1), fillServerID: true)
        ids.insert(try await environment.client.unaryCall(request, options: environment.options()).serverID)
      }
      try expect(ids.count == 1, "\(ids.count) servers have answered: \(ids.sorted())")
    },
  ]

  // MARK: Streaming

  static let streamingCases: [InteropCase] = [
    InteropCase(name: "client_streaming") { environment in
      let call = environment.client.streamingInputCall(options: environment.options())
      for size in [27182, 8, 1828, 45904] { try await call.send(StreamingInputCallRequest(payload: payload(size))) }
      call.finish()
      let total = try await call.response.aggregatedPayloadSize
      try expect(total == 74922, "a sum of \(total) instead of 74922")
    },
    InteropCase(name: "server_streaming") { environment in
      let sizes = [31415, 9, 2653, 58979]
      let request = StreamingOutputCallRequest(responseParameters: sizes.map { ResponseParameters(size: Int32($0)) })
      var received: [Int] = []
      for try await response in environment.client.streamingOutputCall(request, options: environment.options()) {
        received.append(response.payload?.body.count ?? 0)
      }
      try expect(received == sizes, "payloads of \(received) instead of \(sizes)")
    },
    InteropCase(name: "ping_pong") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      var responses = call.makeAsyncIterator()
      for (request, response) in [(27182, 31415), (8, 9), (1828, 2653), (45904, 58979)] {
        try await call.send(
          StreamingOutputCallRequest(
            responseParameters: [ResponseParameters(size: Int32(response))], payload: payload(request)))
        let size = try await responses.next()?.payload?.body.count
        try expect(size == response, "a payload of \(size.map(String.init) ?? "none") instead of \(response)")
      }
      call.finish()
      try expect(try await responses.next() == nil, "a response after the last request")
    },
    InteropCase(name: "empty_stream") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      call.finish()
      var responses = call.makeAsyncIterator()
      try expect(try await responses.next() == nil, "a response without a request")
    },
  ]

  // MARK: Metadata, statuses, and how calls end

  static let endingCases: [InteropCase] = [
    InteropCase(name: "custom_metadata") { environment in
      var options = environment.options()
      options.metadata["x-grpc-test-echo-initial"] = "test_initial_metadata_value"
      options.metadata[binary: "x-grpc-test-echo-trailing-bin"] = [0xab, 0xab, 0xab]
      let request = SimpleRequest(responseSize: 314159, payload: payload(271828))
      let response = try await environment.client.unaryCallResponse(to: request, options: options)
      try checkEcho(response.initialMetadata, response.trailingMetadata)
      let call = environment.client.fullDuplexCall(options: options)
      try await call.send(
        StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 314159)], payload: payload(271828)))
      call.finish()
      for try await _ in call {}
      try checkEcho(try await call.initialMetadata, await call.trailingMetadata)
    },
    InteropCase(name: "status_code_and_message") { environment in
      try await checkStatus(environment, "test status message")
      let status = EchoStatus(code: 2, message: "test status message")
      let call = environment.client.fullDuplexCall(options: environment.options())
      try await call.send(StreamingOutputCallRequest(responseStatus: status))
      call.finish()
      let error = try await expectFailure { for try await _ in call {} }
      try expect(
        error.code == .unknown && error.message == status.message, "\(error) instead of UNKNOWN: \(status.message)")
    },
    InteropCase(name: "special_status_message") { environment in
      try await checkStatus(environment, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
    },
    InteropCase(name: "unimplemented_method") { environment in
      let error = try await expectFailure {
        _ = try await environment.client.unimplementedCall(Empty(), options: environment.options())
      }
      try expect(error.code == .unimplemented, "\(error) instead of UNIMPLEMENTED")
    },
    InteropCase(name: "unimplemented_service") { environment in
      let error = try await expectFailure {
        let client = UnimplementedServiceClient(environment.channel)
        _ = try await client.unimplementedCall(Empty(), options: environment.options())
      }
      try expect(error.code == .unimplemented, "\(error) instead of UNIMPLEMENTED")
    },
    InteropCase(name: "cancel_after_begin") { environment in
      let call = environment.client.streamingInputCall(options: environment.options())
      call.cancel()
      let error = try await expectFailure { _ = try await call.response }
      try expect(error.code == .cancelled, "\(error) instead of CANCELLED")
    },
    InteropCase(name: "cancel_after_first_response") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      var responses = call.makeAsyncIterator()
      try await call.send(
        StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 31415)], payload: payload(27182)))
      try expect(try await responses.next()?.payload?.body.count == 31415, "no first response")
      call.cancel()
      let error = try await expectFailure { _ = try await responses.next() }
      try expect(error.code == .cancelled, "\(error) instead of CANCELLED")
    },
    InteropCase(name: "timeout_on_sleeping_server") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options(timeout: .milliseconds(1)))
      let error = try await expectFailure {
        try await call.send(StreamingOutputCallRequest(payload: payload(27182)))
        for try await _ in call {}
      }
      try expect(error.code == .deadlineExceeded, "\(error) instead of DEADLINE_EXCEEDED")
    },
  ]

  private static func checkEcho(_ initial: Metadata, _ trailing: Metadata) throws {
    let text = initial["x-grpc-test-echo-initial"]
    try expect(text == "test_initial_metadata_value", "initial metadata \(text ?? "nil")")
    let bytes = trailing[binary: "x-grpc-test-echo-trailing-bin"]
    try expect(bytes == [0xab, 0xab, 0xab], "trailing metadata \(bytes.map { "\($0)" } ?? "nil")")
  }

  private static func checkStatus(_ environment: CaseEnvironment, _ message: String) async throws {
    let request = SimpleRequest(responseStatus: EchoStatus(code: 2, message: message))
    let error = try await expectFailure {
      _ = try await environment.client.unaryCall(request, options: environment.options())
    }
    try expect(error.code == .unknown && error.message == message, "\(error) instead of UNKNOWN: \(message)")
  }
}
