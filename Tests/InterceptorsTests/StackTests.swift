import Logging
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryInterceptors

/// All of them together, as Docs/Interceptors.md has it.
@Suite("The interceptors together", .timeLimit(.minutes(1))) struct StackTests {
  struct User { var name: String }

  enum OrderError: StatusErrorConvertible {
    case soldOut

    var statusCode: StatusCode { .failedPrecondition }
    var statusMessage: String { "sold out" }
  }

  static func server(_ logger: Logger) -> [any ServerInterceptor] {
    [
      RequestID(),
      AccessLog(logger, where: .failures(andShare: 1, slowerThan: .seconds(1))),
      ErrorMapping(),
      DefaultDeadline(.seconds(30)),
      Authentication { request in
        guard request.bearerToken == "t-ann" else { throw StatusError(.unauthenticated, "a known token is needed") }
        return User(name: "ann")
      }
      .only { $0.name != "Sum" },
      ConcurrencyLimit(4).only(methods: ["/test.Desk/Ask"]),
    ]
  }

  static let client: [any ClientInterceptor] = [
    RequestID(), DefaultDeadline(.seconds(20)).only(services: ["test.Desk"]),
  ]

  @Test("each does its own, in the list's order, around every kind of call", arguments: Place.allCases)
  func together(_ place: Place) async throws {
    let recorder = LogRecorder()
    let visit: Desk.Visit = { context in
      let seconds = Int(((context.deadline.timeRemaining ?? .zero) / .seconds(10)).rounded(.up)) * 10
      if context.method.name == "Sum" { throw OrderError.soldOut }
      return "\(try context.caller(User.self).name) \(seconds) \(RequestID.current ?? "-")"
    }
    try await place.with(Self.server(recorder.logger), client: Self.client, visit) { channel in
      var options = CallOptions(metadata: ["authorization": "Bearer t-ann", "x-request-id": "r1"])
      let known = await channel.callDesk(options)
      let answer = Outcome.answer("ann 20 r1")
      #expect(known == [answer, answer, .failure(.failedPrecondition, "sold out"), answer])
      options.metadata["authorization"] = nil
      let refused = Outcome.failure(.unauthenticated, "a known token is needed")
      let unknown = await channel.callDesk(options)
      #expect(unknown == [refused, refused, .failure(.failedPrecondition, "sold out"), refused])
      try await recorder.lines(containing: "info call", count: 8)
    }
    func count(_ text: String) -> Int { recorder.lines.count { $0.contains(text) } }
    #expect(count("request-id: r1") == 8)
    #expect(
      count("status: OK") == 3 && count("status: FAILED_PRECONDITION") == 2 && count("status: UNAUTHENTICATED") == 3)
  }
}
