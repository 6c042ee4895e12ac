import Volery
import VoleryReflection

/// The services that tools and probes ask: grpc.health.v1 and grpc.reflection.
extension InteropCases {
  static let toolCases: [InteropCase] = healthCases + [serverReflection]

  /// Runs a case; UNIMPLEMENTED means that the server lacks what it is about.
  private static func needing(_ what: String, _ body: () async throws -> Void) async throws {
    do { try await body() } catch let error as StatusError where error.code == .unimplemented {
      throw Unsupported(description: "the server has no \(what)")
    }
  }

  // MARK: Health (doc/health-checking.md; gRFC A90)

  private static let healthCases: [InteropCase] = [
    InteropCase(name: "health_check") { environment in
      let health = HealthClient(environment.channel)
      try await needing("health service") {
        let status = try await health.check(HealthCheckRequest(), options: environment.options()).status
        try expect(status == .serving, "the server as a whole is \(status)")
      }
      let error = try await expectFailure {
        _ = try await health.check(HealthCheckRequest(service: "no.such.Service"), options: environment.options())
      }
      try expect(error.code == .notFound, "\(error) instead of NOT_FOUND")
    },
    InteropCase(name: "health_list") { environment in
      try await needing("List in its health service (gRFC A90)") {
        let statuses = try await HealthClient(environment.channel)
          .list(HealthListRequest(), options: environment.options()).statuses
        try expect(statuses[""]?.status == .serving, "the server as a whole is not listed as serving: \(statuses)")
      }
    },
    // Open streams that say the status once, and nothing more while it does not change.
    InteropCase(name: "health_watch") { environment in
      let health = HealthClient(environment.channel)
      for (service, wanted) in [("", HealthCheckResponse.ServingStatus.serving), ("no.such.Service", .serviceUnknown)] {
        let watch = health.watch(HealthCheckRequest(service: service), options: environment.options())
        var statuses = watch.makeAsyncIterator()
        var first: HealthCheckResponse.ServingStatus?
        try await needing("health service") { first = try await statuses.next()?.status }
        try expect(first == wanted, "\"\(service)\" is \(first.map { "\($0)" } ?? "nothing") instead of \(wanted)")
        // A call that has begun later is answered while the watch is open.
        _ = try await health.check(HealthCheckRequest(), options: environment.options())
        watch.cancel()
        let error = try await expectFailure { _ = try await statuses.next() }
        try expect(error.code == .cancelled, "\(error) instead of CANCELLED: the watch had ended")
      }
    },
  ]

  // MARK: Reflection (doc/server-reflection.md)

  private static let serverReflection = InteropCase(name: "server_reflection") { environment in
    do {
      try await reflection(environment, ServerReflectionMethods.serverReflectionInfo)
    } catch let error as StatusError where error.code == .unimplemented {
      // As tools do; the messages are the same.
      let older = Method<ServerReflectionRequest, ServerReflectionResponse>(
        service: "grpc.reflection.v1alpha.ServerReflection", name: "ServerReflectionInfo", kind: .bidirectional)
      try await needing("reflection service") { try await reflection(environment, older) }
    }
  }

  private static func reflection(
    _ environment: CaseEnvironment, _ method: Method<ServerReflectionRequest, ServerReflectionResponse>
  ) async throws {
    let call = environment.channel.bidirectional(method, options: environment.options())
    var responses = call.makeAsyncIterator()

    func ask(_ question: ServerReflectionRequest.MessageRequest) async throws
      -> ServerReflectionResponse.MessageResponse?
    {
      let request = ServerReflectionRequest(messageRequest: question)
      try await call.send(request)
      guard let response = try await responses.next() else {
        throw CaseFailure(description: "no answer to \(question)")
      }
      try expect(
        response.originalRequest == request, "an answer to \(response.originalRequest.map { "\($0)" } ?? "nil")")
      return response.messageResponse
    }
    func expectError(_ code: StatusCode, _ question: ServerReflectionRequest.MessageRequest) async throws {
      let answer = try await ask(question)
      guard case .errorResponse(let error)? = answer, error.errorCode == Int32(code.rawValue) else {
        throw CaseFailure(description: "\(question) is answered with \(answer.map { "\($0)" } ?? "nil")")
      }
    }
    func expectFiles(_ question: ServerReflectionRequest.MessageRequest) async throws {
      guard case .fileDescriptorResponse(let files)? = try await ask(question) else {
        throw CaseFailure(description: "no file for \(question)")
      }
      try expect(!files.fileDescriptorProto.isEmpty, "no file for \(question)")
    }

    guard case .listServicesResponse(let list)? = try await ask(.listServices("")) else {
      throw CaseFailure(description: "the services are not listed")
    }
    let names = list.service.map(\.name)
    try expect(names.contains("grpc.testing.TestService"), "the services are \(names)")
    try await expectError(.notFound, .fileContainingSymbol("no.such.Symbol"))
    try await expectError(.notFound, .fileByFilename("no/such.proto"))
    try await expectError(
      .notFound,
      .fileContainingExtension(ExtensionRequest(containingType: "grpc.testing.Payload", extensionNumber: 1)))
    // The stream goes on.
    try await expectFiles(.fileContainingSymbol("grpc.testing.TestService"))
    try await expectFiles(.fileContainingSymbol("grpc.testing.SimpleRequest"))
    guard
      case .allExtensionNumbersResponse(let numbers)? = try await ask(
        .allExtensionNumbersOfType("grpc.testing.Payload"))
    else { throw CaseFailure(description: "the extensions are not listed") }
    try expect(numbers.extensionNumber.isEmpty, "extensions \(numbers.extensionNumber)")
    call.finish()
    try expect(try await responses.next() == nil, "an answer without a question")
  }
}
