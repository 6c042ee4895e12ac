import Volery
import VoleryReflection

/// The services that tools and probes ask: grpc.health.v1 and grpc.reflection.
extension InteropCases {
  static let toolCases: [InteropCase] = healthCases + [serverReflection]

  // MARK: Health (doc/health-checking.md; gRFC A90)

  private static let healthCases: [InteropCase] = [
    InteropCase(name: "health_check") { environment in
      let health = HealthClient(environment.channel)
      let status = try await health.check(HealthCheckRequest(), options: environment.options()).status
      try expect(status == .serving, "the server as a whole is \(status)")
      let error = try await expectFailure {
        _ = try await health.check(HealthCheckRequest(service: "no.such.Service"), options: environment.options())
      }
      try expect(error.code == .notFound, "\(error) instead of NOT_FOUND")
    },
    InteropCase(name: "health_list") { environment in
      do {
        let statuses = try await HealthClient(environment.channel)
          .list(HealthListRequest(), options: environment.options()).statuses
        try expect(statuses[""]?.status == .serving, "the server as a whole is not listed as serving: \(statuses)")
      } catch let error as StatusError where error.code == .unimplemented {
        throw Unsupported(description: "the server's health service has no List (gRFC A90)")
      }
    },
    // Open streams that say the status once, and nothing more while it does not change.
    InteropCase(name: "health_watch") { environment in
      let health = HealthClient(environment.channel)
      for (service, wanted) in [("", HealthCheckResponse.ServingStatus.serving), ("no.such.Service", .serviceUnknown)] {
        let watch = health.watch(HealthCheckRequest(service: service), options: environment.options())
        var statuses = watch.makeAsyncIterator()
        let first = try await statuses.next()?.status
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
      try await reflection(
        environment,
        Method(service: "grpc.reflection.v1alpha.ServerReflection", name: "ServerReflectionInfo", kind: .bidirectional))
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
