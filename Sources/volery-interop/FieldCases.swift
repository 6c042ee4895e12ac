import Volery

/// What other implementations and proxies have stumbled over in the field. The programs of Tests/Peers have the same
/// cases under the same names.
extension InteropCases {
  static let fieldCases: [InteropCase] = burstCases + metadataCases + earlyEndCases

  private static let large = 100_000

  // MARK: Bursts of large messages, beside which some clients send PINGs (bandwidth estimation)

  private static let burstCases: [InteropCase] = [
    fieldCase("burst_up") { environment in
      let call = environment.client.streamingInputCall(options: environment.options())
      for _ in 0..<60 { try await call.send(StreamingInputCallRequest(payload: payload(large))) }
      call.finish()
      let total = try await call.response.aggregatedPayloadSize
      try expect(total == 60 * large, "a sum of \(total) instead of \(60 * large)")
    },
    fieldCase("burst_down") { environment in
      let request = StreamingOutputCallRequest(
        responseParameters: [ResponseParameters](repeating: ResponseParameters(size: Int32(large)), count: 60))
      var count = 0
      for try await response in environment.client.streamingOutputCall(request, options: environment.options()) {
        try expect(response.payload?.body.count == large, "response \(count) has the wrong size")
        count += 1
      }
      try expect(count == 60, "\(count) responses instead of 60")
    },
    fieldCase("burst_both") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      let request = StreamingOutputCallRequest(
        responseParameters: [ResponseParameters](repeating: ResponseParameters(size: Int32(large)), count: 2),
        payload: payload(large))
      async let sent: Void = {
        for _ in 0..<30 { try await call.send(request) }
        call.finish()
      }()
      var count = 0
      for try await response in call {
        try expect(response.payload?.body.count == large, "response \(count) has the wrong size")
        count += 1
      }
      try await sent
      try expect(count == 60, "\(count) responses instead of 60")
    },
    fieldCase("burst_unary") { environment in
      let request = SimpleRequest(responseSize: Int32(large), payload: payload(large))
      for index in 0..<60 {
        let response = try await environment.client.unaryCall(request, options: environment.options())
        try expect(response.payload?.body.count == large, "response \(index) has the wrong size")
      }
    },
  ]

  // MARK: Metadata and statuses

  private static let metadataCases: [InteropCase] = [
    // RFC 9113 8.2.1: no space at an end of a field's value; a receiver may drop it or keep it, and the call goes on.
    fieldCase("spaces_in_status") { environment in
      let message = " spaces at both ends  "
      let request = SimpleRequest(responseStatus: EchoStatus(code: 3, message: message))
      let error = try await expectFailure {
        _ = try await environment.client.unaryCall(request, options: environment.options())
      }
      try expect(
        error.code == .invalidArgument && trimmed(error.message) == trimmed(message),
        "\(error) instead of INVALID_ARGUMENT: \(message)")
    },
    fieldCase("spaces_in_metadata") { environment in
      var options = environment.options()
      options.metadata["x-grpc-test-echo-initial"] = " spaces at both ends  "
      let response = try await environment.client.unaryCallResponse(to: SimpleRequest(), options: options)
      let echo = response.initialMetadata["x-grpc-test-echo-initial"]
      try expect(echo.map(trimmed) == "spaces at both ends", "\"\(echo ?? "nil")\" came back")
    },
    // As much as a header list of 8 KiB takes beside what gRPC itself sends (PROTOCOL-HTTP2: the limit to suggest).
    fieldCase("metadata_8k") { environment in
      let text = String(repeating: "v", count: 3500)
      let bytes = [UInt8](repeating: 0xab, count: 2550)
      var options = environment.options()
      options.metadata["x-grpc-test-echo-initial"] = text
      options.metadata[binary: "x-grpc-test-echo-trailing-bin"] = bytes
      let response = try await environment.client.unaryCallResponse(to: SimpleRequest(), options: options)
      try expect(response.initialMetadata["x-grpc-test-echo-initial"] == text, "the initial metadata differs")
      try expect(
        response.trailingMetadata[binary: "x-grpc-test-echo-trailing-bin"] == bytes, "the trailing metadata differs")
    },
    // Each of the codes as the answer's only HEADERS frame.
    fieldCase("trailers_only") { environment in
      for code in 1...16 {
        let message = "code \(code)"
        let request = SimpleRequest(responseStatus: EchoStatus(code: Int32(code), message: message))
        let error = try await expectFailure {
          _ = try await environment.client.unaryCall(request, options: environment.options())
        }
        try expect(error.code.rawValue == code && error.message == message, "\(error) instead of \(message)")
      }
    },
  ]

  // MARK: Calls that end early

  private static let earlyEndCases: [InteropCase] = [
    fieldCase("deadline") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options(timeout: .milliseconds(200)))
      let clock = ContinuousClock()
      let start = clock.now
      let error = try await expectFailure {
        try await call.send(
          StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 1, intervalUs: 10_000_000)]))
        for try await _ in call {}
      }
      try expect(error.code == .deadlineExceeded, "\(error) instead of DEADLINE_EXCEEDED")
      let taken = start.duration(to: clock.now)
      try expect(taken < .seconds(2), "a deadline of 200 ms took \(taken)")
      _ = try await environment.client.emptyCall(Empty(), options: environment.options())
    },
    fieldCase("cancel_mid_stream") { environment in
      let request = StreamingOutputCallRequest(
        responseParameters: [ResponseParameters](repeating: ResponseParameters(size: Int32(large)), count: 500))
      for _ in 0..<5 {
        let call = environment.client.streamingOutputCall(request, options: environment.options())
        var responses = call.makeAsyncIterator()
        for _ in 0..<3 { try expect(try await responses.next() != nil, "the responses end early") }
        call.cancel()
        let error = try await expectFailure { while try await responses.next() != nil {} }
        try expect(error.code == .cancelled, "\(error) instead of CANCELLED")
      }
      _ = try await largeUnary(environment.client, environment.options())
    },
    fieldCase("half_close_early") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      let sizes = ResponseParameters(size: 31415, intervalUs: 10_000)
      try await call.send(
        StreamingOutputCallRequest(responseParameters: [ResponseParameters](repeating: sizes, count: 5)))
      call.finish()
      var count = 0
      for try await response in call {
        try expect(response.payload?.body.count == 31415, "response \(count) has the wrong size")
        count += 1
      }
      try expect(count == 5, "\(count) responses instead of 5")
    },
    // The status arrives though the client has not ended, and goes on sending.
    fieldCase("server_ends_first") { environment in
      let call = environment.client.fullDuplexCall(options: environment.options())
      async let sent: Void = {
        try? await call.send(StreamingOutputCallRequest(responseStatus: EchoStatus(code: 9, message: "enough")))
        for _ in 0..<100 { try? await call.send(StreamingOutputCallRequest(payload: payload(large))) }
      }()
      let error = try await expectFailure { for try await _ in call {} }
      await sent
      try expect(
        error.code == .failedPrecondition && error.message == "enough",
        "\(error) instead of FAILED_PRECONDITION: enough")
      _ = try await largeUnary(environment.client, environment.options())
    },
    fieldCase("rst") { environment in
      for index in 0..<50 {
        let call = environment.client.fullDuplexCall(options: environment.options())
        try await call.send(
          StreamingOutputCallRequest(responseParameters: [ResponseParameters(size: 9)], payload: payload(1000)))
        if index % 2 == 0 {
          var responses = call.makeAsyncIterator()
          _ = try await responses.next()
        }
        call.cancel()
      }
      _ = try await largeUnary(environment.client, environment.options())
    },
  ]

  private static func fieldCase(_ name: String, _ run: @escaping @Sendable (CaseEnvironment) async throws -> Void)
    -> InteropCase
  { InteropCase(name: name, isPartOfAll: false, run: run) }

  private static func trimmed(_ text: String) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
