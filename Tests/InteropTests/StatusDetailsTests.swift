import Foundation
import TestSupport
import Testing
import Volery

/// google.rpc.Status in trailing metadata, against grpcio's own package for it.
@Suite("Rich error details with grpcio-status", .serialized, .timeLimit(.minutes(2))) struct StatusDetailsTests {
  static let fail = Method<[UInt8], [UInt8]>(service: "test.Details", name: "Fail", kind: .unary)
  static let failLater = Method<[UInt8], [UInt8]>(service: "test.Details", name: "FailLater", kind: .serverStreaming)

  /// What the details are, for their JSON.
  static let types = TypeRegistry([
    Google_Rpc_ErrorInfo.self, Google_Rpc_RetryInfo.self, Google_Rpc_DebugInfo.self, Google_Rpc_QuotaFailure.self,
    Google_Rpc_PreconditionFailure.self, Google_Rpc_BadRequest.self, Google_Rpc_RequestInfo.self,
    Google_Rpc_ResourceInfo.self, Google_Rpc_Help.self, Google_Rpc_LocalizedMessage.self,
  ])

  static func status(_ json: [UInt8]) throws -> Google_Rpc_Status {
    var options = JSONDecodingOptions()
    options.types = types
    return try Google_Rpc_Status(jsonUTF8Bytes: json, options: options)
  }

  static func json(_ status: Google_Rpc_Status) throws -> [UInt8] {
    var options = JSONEncodingOptions()
    options.types = types
    return try status.jsonUTF8Bytes(options: options)
  }

  /// Ends calls with the status that the request has as JSON.
  struct Details: Service {
    var handlers: [MethodHandler] {
      [
        .unary(StatusDetailsTests.fail) { request, _ in
          throw try StatusError(StatusDetailsTests.status(request))
        },
        .serverStreaming(StatusDetailsTests.failLater) { request, responses, _ in
          try await responses.write(Array("one".utf8))
          throw try StatusError(StatusDetailsTests.status(request))
        },
      ]
    }
  }

  /// One with every message of google/rpc/error_details.proto, one with some that are no error details, one without. Maps
  /// have one entry: an Any is bytes, and maps have no order.
  static func statuses() throws -> [Google_Rpc_Status] {
    let details: [any Message] = [
      Google_Rpc_ErrorInfo(reason: "STOCKOUT", domain: "shop.test", metadata: ["zone": "ü"]),
      Google_Rpc_RetryInfo(retryDelay: .init(seconds: 1, nanos: 500_000_000)),
      Google_Rpc_DebugInfo(stackEntries: ["main()", "f()"], detail: "no\nluck"),
      Google_Rpc_QuotaFailure(violations: [.init(subject: "client:7", description_p: "too many")]),
      Google_Rpc_PreconditionFailure(violations: [
        .init(type: "TOS", subject: "shop.test", description_p: "not accepted")
      ]),
      Google_Rpc_BadRequest(fieldViolations: [.init(field: "email", description_p: "has no @")]),
      Google_Rpc_RequestInfo(requestID: "r-1", servingData: "\u{0}"),
      Google_Rpc_ResourceInfo(resourceType: "order", resourceName: "o/5", owner: "me", description_p: "gone"),
      Google_Rpc_Help(links: [.init(description_p: "manual", url: "https://shop.test/help")]),
      Google_Rpc_LocalizedMessage(locale: "de-CH", message: "Gestrichen – schade ☹"),
    ]
    return try [
      status(.resourceExhausted, "no ☕ left,\nnot 100%", details),
      status(.dataLoss, "", [Google_Protobuf_Duration(seconds: -1), Google_Rpc_Help(), Google_Rpc_Help()]),
      status(.notFound, "nobody", []),
    ]
  }

  private static func status(_ code: StatusCode, _ message: String, _ details: [any Message]) throws
    -> Google_Rpc_Status
  {
    let error = try StatusError(code, message, details: details)
    return try #require(try error.statusWithDetails())
  }

  private func check(_ error: StatusError, _ status: Google_Rpc_Status) throws {
    #expect(error.code.rawValue == Int(status.code))
    #expect(error.message == status.message)
    #expect(try error.statusWithDetails() == status)
    #expect(error.details(Google_Rpc_Help.self).count == status.details.count { $0.typeURL.hasSuffix(".Help") })
  }

  @Test("what grpcio's server sends is read, in unary calls and at the end of a stream", arguments: [0, 1, 2])
  func ourClient(_ index: Int) async throws {
    let status = try Self.statuses()[index]
    let process = try ChildProcess([InteropTests.python(), InteropTests.script("status_details.py"), "server"])
    let port = try #require(process.readLine().line.split(separator: ":").last)
    let channel = try Channel("ipv4:127.0.0.1:\(port)")
    let request = try Self.json(status)
    let options = CallOptions(timeout: .seconds(30))
    let unary = await #expect(throws: StatusError.self) {
      _ = try await channel.unary(Self.fail, request, options: options)
    }
    try check(#require(unary), status)
    var answers: [[UInt8]] = []
    let stream = await #expect(throws: StatusError.self) {
      for try await answer in channel.serverStreaming(Self.failLater, request, options: options) {
        answers.append(answer)
      }
    }
    #expect(answers == [Array("one".utf8)])
    try check(#require(stream), status)
    #expect(process.stop(SIGTERM) == 0)
  }

  @Test(
    "what our server sends is read by grpcio's client, in unary calls and at the end of a stream", arguments: [0, 1, 2])
  func ourServer(_ index: Int) async throws {
    let status = try Self.statuses()[index]
    let server = Server(services: [Details()])
    let address = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0]
    let (output, code) = try InteropTests.run([
      InteropTests.python(), InteropTests.script("status_details.py"), "client", "\(address)",
      String(decoding: Self.json(status), as: UTF8.self),
    ])
    #expect(code == 0)
    let lines = output.split(separator: "\n")
    #expect(lines.count == 2, "\(output)")
    for line in lines { #expect(try Self.status(Array(line.utf8)) == status) }
    await server.drain()
  }
}
