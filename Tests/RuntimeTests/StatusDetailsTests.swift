import Testing
import Volery

@Suite("Details of a status (google.rpc.Status)", .timeLimit(.minutes(1))) struct StatusDetailsTests {
  struct Strict: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Strict", name: "Call", kind: .unary)

    var handlers: [MethodHandler] { [.unary(Strict.method, call)] }

    @Sendable private func call(_ request: [UInt8], _ context: ServerContext) async throws -> [UInt8] {
      guard request.isEmpty else {
        // What came is sent back as it is: a status of another implementation, or garbage.
        throw StatusError(.aborted, "as it came", metadata: Strict.metadata(request))
      }
      throw try StatusError(
        .invalidArgument, "bad e-mail address",
        details: [
          Google_Rpc_BadRequest(fieldViolations: [.init(field: "email", reason: "NO_AT")]),
          Google_Rpc_ErrorInfo(reason: "NO_AT", domain: "example.com", metadata: ["a": "b"]),
          Google_Rpc_RetryInfo(retryDelay: .init(.milliseconds(1500))),
        ], metadata: ["beside": "yes"])
    }

    private static func metadata(_ details: [UInt8]) -> Metadata {
      var metadata = Metadata()
      metadata[binary: StatusError.statusDetailsKey] = details
      return metadata
    }
  }

  func failure(_ way: Way, _ request: [UInt8]) async throws -> StatusError {
    let server = Server(services: [Strict()])
    let address = try server.start(listeningOn: way.listenAddress())[0]
    defer { server.shutDown() }
    let channel = try Channel(address.target)
    let error = await #expect(throws: StatusError.self) {
      try await channel.unary(Strict.method, request, options: CallOptions(timeout: .seconds(20)))
    }
    return try #require(error)
  }

  @Test("what a handler throws with them reaches the caller", arguments: Way.allCases) func details(_ way: Way)
    async throws
  {
    let error = try await failure(way, [])
    #expect(error.code == .invalidArgument)
    #expect(error.message == "bad e-mail address")
    #expect(error.metadata["beside"] == "yes")
    #expect(error.detail(Google_Rpc_BadRequest.self)?.fieldViolations.first?.field == "email")
    #expect(error.detail(Google_Rpc_ErrorInfo.self)?.metadata == ["a": "b"])
    #expect(error.detail(Google_Rpc_RetryInfo.self)?.retryDelay?.duration == .milliseconds(1500))
    #expect(error.detail(Google_Rpc_Help.self) == nil)
    let status = try #require(try error.statusWithDetails())
    #expect(status.code == 3 && status.message == error.message && status.details.count == 3)
  }

  @Test("what can't be read is no detail, and the status stays", arguments: Way.allCases) func garbage(_ way: Way)
    async throws
  {
    let error = try await failure(way, [0xff, 0xff])
    #expect(error.code == .aborted)
    #expect(error.details(Google_Rpc_Help.self).isEmpty)
    #expect(throws: ProtobufError.self) { try error.statusWithDetails() }
  }

  @Test("without details there are none") func none() throws {
    #expect(try StatusError(.notFound).statusWithDetails() == nil)
    #expect(try StatusError(Google_Rpc_Status(code: 0)).code == .unknown)
    #expect(try StatusError(Google_Rpc_Status(code: 99)).code == .unknown)
  }
}
