import Volery

extension InteropCases {
  static let compressionCases: [InteropCase] = [
    InteropCase(name: "client_compressed_unary") { environment in
      try await probe {
        let request = SimpleRequest(
          responseSize: 314159, payload: payload(271828), expectCompressed: BoolValue(value: true))
        _ = try await environment.client.unaryCall(request, options: environment.options())
      }
      try await clientCompressedUnary(environment)
    },
    InteropCase(name: "client_compressed_unary_noprobe") { try await clientCompressedUnary($0) },
    InteropCase(name: "server_compressed_unary") { environment in
      for isCompressed in [true, false] {
        let request = SimpleRequest(
          responseSize: 314159, payload: payload(271828), responseCompressed: BoolValue(value: isCompressed))
        let response = try await environment.client.unaryCallResponse(to: request, options: environment.options())
        let size = response.message.payload?.body.count ?? 0
        try expect(size == 314159, "a payload of \(size) bytes instead of 314159")
        try check(response.isCompressed, isCompressed)
      }
    },
    InteropCase(name: "client_compressed_streaming") { environment in
      try await probe {
        let call = environment.client.streamingInputCall(options: environment.options())
        try await call.send(
          StreamingInputCallRequest(payload: payload(27182), expectCompressed: BoolValue(value: true)))
        call.finish()
        _ = try await call.response
      }
      try await clientCompressedStreaming(environment)
    },
    InteropCase(name: "client_compressed_streaming_noprobe") { try await clientCompressedStreaming($0) },
    InteropCase(name: "server_compressed_streaming") { environment in
      let wanted = [(31415, true), (92653, false)]
      let request = StreamingOutputCallRequest(
        responseParameters: wanted.map { size, isCompressed in
          ResponseParameters(size: Int32(size), compressed: BoolValue(value: isCompressed))
        })
      let call = environment.client.streamingOutputCall(request, options: environment.options())
      var responses = call.makeAsyncIterator()
      for (size, isCompressed) in wanted {
        let received = try await responses.next()?.payload?.body.count
        try expect(received == size, "a payload of \(received.map(String.init) ?? "none") instead of \(size)")
        try check(call.isResponseCompressed, isCompressed)
      }
      try expect(try await responses.next() == nil, "a response too many")
    },
  ]

  private static func clientCompressedUnary(_ environment: CaseEnvironment) async throws {
    for isCompressed in [true, false] {
      var options = environment.options()
      options.compression = isCompressed ? .gzip : .identity
      let request = SimpleRequest(
        responseSize: 314159, payload: payload(271828), expectCompressed: BoolValue(value: isCompressed))
      let size = try await environment.client.unaryCall(request, options: options).payload?.body.count ?? 0
      try expect(size == 314159, "a payload of \(size) bytes instead of 314159")
    }
  }

  private static func clientCompressedStreaming(_ environment: CaseEnvironment) async throws {
    var options = environment.options()
    options.compression = .gzip
    let call = environment.client.streamingInputCall(options: options)
    for (size, isCompressed) in [(27182, true), (45904, false)] {
      let request = StreamingInputCallRequest(
        payload: payload(size), expectCompressed: BoolValue(value: isCompressed))
      try await call.send(request, compressed: isCompressed)
    }
    call.finish()
    let total = try await call.response.aggregatedPayloadSize
    try expect(total == 73086, "a sum of \(total) instead of 73086")
  }

  /// Asks for a compressed request and sends one that is not: a server that looks at it answers INVALID_ARGUMENT.
  private static func probe(_ call: () async throws -> Void) async throws {
    do {
      try await call()
    } catch let error as StatusError {
      return try expect(error.code == .invalidArgument, "\(error) instead of INVALID_ARGUMENT")
    }
    throw Unsupported(description: "the server does not check whether requests are compressed")
  }

  private static func check(_ isCompressed: Bool, _ wanted: Bool) throws {
    if wanted, !isCompressed { throw Unsupported(description: "the server does not compress what it was asked to") }
    try expect(isCompressed == wanted, "the response was compressed and should not have been")
  }
}
