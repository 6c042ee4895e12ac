import TestSupport
import Testing
import Volery
import VoleryInterceptors

@Suite("The mapping of errors", .timeLimit(.minutes(1))) struct ErrorMappingTests {
  enum OrderError: StatusErrorConvertible {
    case soldOut(String)
    case careless

    var statusCode: StatusCode { self == .careless ? .ok : .failedPrecondition }
    var statusMessage: String { self == .careless ? "well" : "sold out" }
    var statusDetails: [any Message] {
      guard case .soldOut(let what) = self else { return [] }
      return [Google_Rpc_ErrorInfo(reason: "SOLD_OUT", domain: "shop.example", metadata: ["what": what])]
    }

    static func == (left: OrderError, right: OrderError) -> Bool { "\(left)" == "\(right)" }
  }

  struct DatabaseError: Error { var isBusy: Bool }

  static let mapping = ErrorMapping { error in
    guard let error = error as? DatabaseError, error.isBusy else { return nil }
    return StatusError(.unavailable, "the database is busy")
  }

  @Test("tells an error's own status and details, by every kind of call", arguments: Place.allCases)
  func convertible(_ place: Place) async throws {
    try await place.with([ErrorMapping()], { _ in throw OrderError.soldOut("tea") }) { channel in
      #expect(await channel.callDesk() == Desk.names.map { _ in .failure(.failedPrecondition, "sold out") })
      let error = await #expect(throws: StatusError.self) { try await channel.unary(Desk.ask, []) }
      let info: Google_Rpc_ErrorInfo? = error?.detail()
      #expect(info?.reason == "SOLD_OUT" && info?.metadata["what"] == "tea")
      let status = try error?.statusWithDetails()
      #expect(status?.code == 9)
    }
  }

  @Test("tells of others what the closure says, and of the rest nothing, as ever", arguments: Place.allCases)
  func closure(_ place: Place) async throws {
    try await place.with([Self.mapping], { _ in throw DatabaseError(isBusy: true) }) { channel in
      #expect(await channel.callDesk() == Desk.names.map { _ in .failure(.unavailable, "the database is busy") })
    }
    try await place.with([Self.mapping], { _ in throw DatabaseError(isBusy: false) }) { channel in
      #expect(await channel.callDesk() == Desk.names.map { _ in .failure(.unknown, "the handler has failed") })
    }
    try await place.with([Self.mapping], { _ in throw StatusError(.notFound, "no tea") }) { channel in
      #expect(await channel.callDesk() == Desk.names.map { _ in .failure(.notFound, "no tea") })
    }
  }

  @Test("an error that calls itself OK is UNKNOWN; one that is too long for its client is told without details")
  func careless() async throws {
    try await Place.socket.with([ErrorMapping()], { _ in throw OrderError.careless }) { channel in
      #expect(await channel.callDesk("Ask") == .failure(.unknown, "well"))
    }
    let long = String(repeating: "x", count: 40_000)
    try await Place.socket.with([ErrorMapping()], { _ in throw OrderError.soldOut(long) }) { channel in
      guard case .failure(let code, let message) = await channel.callDesk("Ask") else {
        Issue.record("OK")
        return
      }
      #expect(code == .failedPrecondition && message.contains("without its trailing metadata"))
    }
  }

  @Test("an access log in front of it sees what the client is told") func inFront() async throws {
    let recorder = LogRecorder()
    try await Place.inProcess.with(
      [AccessLog(recorder.logger), Self.mapping], { _ in throw DatabaseError(isBusy: true) }
    ) { channel in
      _ = await channel.callDesk("Ask")
      let line = try await recorder.line(containing: "info call")
      #expect(line.contains("status: UNAVAILABLE"))
    }
  }
}
