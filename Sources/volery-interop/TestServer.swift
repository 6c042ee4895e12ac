import Volery

/// grpc.testing.TestService with fault injection by metadata.
struct TestServer: TestService {
  let id: String
  /// What it says of itself as `hostname`; in initial metadata too, where it is not the machine's.
  let name: String?
  /// What the server says of its load by itself.
  let load: LoadRecorder
  private let faults = FaultInjector()

  init(id: String, name: String? = nil, load: LoadRecorder = LoadRecorder()) {
    self.id = id
    self.name = name
    self.load = load
  }

  /// Without the method that must not be implemented.
  var handlers: [MethodHandler] {
    [
      .unary(TestServiceMethods.emptyCall) { try await self.emptyCall($0, context: $1) },
      .unary(TestServiceMethods.unaryCall) { try await self.unaryCall($0, context: $1) },
      .unary(TestServiceMethods.cacheableUnaryCall) { try await self.cacheableUnaryCall($0, context: $1) },
      .serverStreaming(TestServiceMethods.streamingOutputCall) {
        try await self.streamingOutputCall($0, responses: $1, context: $2)
      },
      .clientStreaming(TestServiceMethods.streamingInputCall) { try await self.streamingInputCall($0, context: $1) },
      .bidirectional(TestServiceMethods.fullDuplexCall) {
        try await self.fullDuplexCall($0, responses: $1, context: $2)
      },
      .bidirectional(TestServiceMethods.halfDuplexCall) {
        try await self.halfDuplexCall($0, responses: $1, context: $2)
      },
    ]
  }

  func emptyCall(_ request: Empty, context: ServerContext) async throws -> Empty {
    try await begin(context)
    return Empty()
  }

  func unaryCall(_ request: SimpleRequest, context: ServerContext) async throws -> SimpleResponse {
    try await begin(context)
    try check(request.responseStatus)
    try check(expectCompressed: request.expectCompressed, context)
    if request.responseCompressed?.value == true { context.responseCompression = .gzip }
    if let report = request.orcaPerQueryReport { context.loadReport = LoadReport(report) }
    var response = SimpleResponse()
    if request.responseSize > 0 { response.payload = try payload(request.responseSize) }
    if request.fillServerID { response.serverID = id }
    response.hostname = name ?? hostName()
    return response
  }

  func cacheableUnaryCall(_ request: SimpleRequest, context: ServerContext) async throws -> SimpleResponse {
    try await unaryCall(request, context: context)
  }

  func streamingOutputCall(
    _ request: StreamingOutputCallRequest, responses: ResponseWriter<StreamingOutputCallResponse>,
    context: ServerContext
  ) async throws {
    try await begin(context)
    try await answer(request, responses, context)
  }

  func streamingInputCall(
    _ requests: RequestStream<StreamingInputCallRequest>, context: ServerContext
  ) async throws -> StreamingInputCallResponse {
    try await begin(context)
    var total = 0
    for try await request in requests {
      try check(expectCompressed: request.expectCompressed, context)
      total += request.payload?.body.count ?? 0
    }
    return StreamingInputCallResponse(aggregatedPayloadSize: Int32(clamping: total))
  }

  func fullDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, responses: ResponseWriter<StreamingOutputCallResponse>,
    context: ServerContext
  ) async throws {
    try await begin(context)
    for try await request in requests { try await answer(request, responses, context) }
  }

  func halfDuplexCall(
    _ requests: RequestStream<StreamingOutputCallRequest>, responses: ResponseWriter<StreamingOutputCallResponse>,
    context: ServerContext
  ) async throws {
    try await begin(context)
    var all: [StreamingOutputCallRequest] = []
    for try await request in requests { all.append(request) }
    for request in all { try await answer(request, responses, context) }
  }

  func unimplementedCall(_ request: Empty, context: ServerContext) async throws -> Empty {
    throw StatusError(.unimplemented, "never implemented")
  }

  // MARK: Parts

  private func answer(
    _ request: StreamingOutputCallRequest, _ responses: ResponseWriter<StreamingOutputCallResponse>,
    _ context: ServerContext
  ) async throws {
    try check(request.responseStatus)
    if let report = request.orcaOobReport { load.report = LoadReport(report) }
    if request.responseParameters.contains(where: { $0.compressed?.value == true }) {
      context.responseCompression = .gzip
    }
    for parameters in request.responseParameters {
      if parameters.intervalUs > 0 { try await Task.sleep(for: .microseconds(Int64(parameters.intervalUs))) }
      try await responses.write(
        StreamingOutputCallResponse(payload: try payload(parameters.size)),
        compressed: parameters.compressed?.value == true)
    }
  }

  private func payload(_ size: Int32) throws(StatusError) -> Payload {
    guard (0...(64 << 20)).contains(size) else {
      throw StatusError(.invalidArgument, "a response of \(size) bytes can't be made")
    }
    return Payload(body: [UInt8](repeating: 0, count: Int(size)))
  }

  private func check(_ status: EchoStatus?) throws(StatusError) {
    guard let status, status.code != 0 else { return }
    throw StatusError(StatusCode(rawValue: Int(status.code)) ?? .unknown, status.message)
  }

  private func check(expectCompressed: BoolValue?, _ context: ServerContext) throws(StatusError) {
    guard let expected = expectCompressed?.value, expected != context.isRequestCompressed else { return }
    throw StatusError(.invalidArgument, "the request was expected to be \(expected ? "" : "un")compressed and is not")
  }

  /// Echoes metadata, and injects the faults that the metadata asks for.
  private func begin(_ context: ServerContext) async throws {
    if let name { context.initialMetadata["hostname"] = name }
    if let value = context.metadata["x-grpc-test-echo-initial"] {
      context.initialMetadata["x-grpc-test-echo-initial"] = value
    }
    if let value = context.metadata[binary: "x-grpc-test-echo-trailing-bin"] {
      context.trailingMetadata[binary: "x-grpc-test-echo-trailing-bin"] = value
    }
    try await faults.inject(context, id: id)
  }
}
