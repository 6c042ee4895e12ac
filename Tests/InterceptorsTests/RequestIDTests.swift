import Logging
import Testing
import Volery
import VoleryInterceptors

@Suite("The request id", .timeLimit(.minutes(1))) struct RequestIDTests {
  /// The id as the handler has it, and as its log lines do.
  static let ids: Desk.Visit = { _ in
    let logged = Logger.current[metadataKey: "request-id"].map { "\($0)" } ?? "-"
    let provided = RequestID.metadataProvider.get()["request-id"].map { "\($0)" } ?? "-"
    return "\(RequestID.current ?? "-") \(logged) \(provided)"
  }

  static func options(_ id: String) -> CallOptions {
    CallOptions(metadata: ["x-request-id": id], timeout: .seconds(20))
  }

  @Test("is taken from the client, for handler and log, by every kind of call", arguments: Place.allCases)
  func taken(_ place: Place) async throws {
    try await place.with([RequestID()], Self.ids) { channel in
      #expect(
        await channel.callDesk(Self.options("order-7")) == Desk.names.map { _ in .answer("order-7 order-7 order-7") })
      let response = try await channel.unary(Desk.ask, [], options: Self.options("order-8"))
      #expect(response.trailingMetadata["x-request-id"] == "order-8")
    }
    #expect(RequestID.current == nil)
  }

  @Test("is made where the client sends none: 32 hexadecimal digits, another each time", arguments: Place.allCases)
  func made(_ place: Place) async throws {
    try await place.with([RequestID()], { _ in RequestID.current ?? "-" }) { channel in
      let ids = await channel.callDesk().compactMap { if case .answer(let id) = $0 { id } else { nil } }
      #expect(Set(ids).count == 4)
      for id in ids { #expect(id.utf8.count == 32 && id.allSatisfy(\.isHexDigit), "\(id)") }
    }
  }

  @Test(
    "of a stranger is not taken where it is too long or holds other characters",
    arguments: ["", "a b", "a\"b", "a%0ab", "<script>", "a,b", String(repeating: "a", count: 129)])
  func unfit(_ id: String) async throws {
    try await Place.socket.with([RequestID()], { _ in RequestID.current ?? "-" }) { channel in
      guard case .answer(let taken) = await channel.callDesk("Ask", Self.options(id)) else {
        Issue.record("the call has failed")
        return
      }
      #expect(taken != id && taken.utf8.count == 32)
    }
  }

  @Test("of 128 bytes is taken, with all the characters that it may have")
  func longest() async throws {
    let id = "AZaz09-_.:/+=" + String(repeating: "x", count: 115)
    try await Place.socket.with([RequestID()], { _ in RequestID.current ?? "-" }) { channel in
      #expect(await channel.callDesk("Ask", Self.options(id)) == .answer(id))
    }
  }

  @Test("goes on to the calls that a handler makes, of every kind", arguments: Place.allCases)
  func passedOn(_ place: Place) async throws {
    try await place.with([RequestID()], client: [RequestID()], { _ in RequestID.current ?? "-" }) { inner in
      let front: Desk.Visit = { _ in "\(await inner.callDesk())" }
      try await place.with([RequestID()], front) { channel in
        let all = "\(Desk.names.map { _ in Outcome.answer("order-9") })"
        #expect(await channel.callDesk(Self.options("order-9")) == Desk.names.map { _ in .answer(all) })
      }
    }
  }

  @Test("on a channel: none for calls that no handler makes, unless it is asked for; a call's own stays")
  func outsideOfHandlers() async throws {
    let seen: Desk.Visit = { $0.metadata["x-request-id"] ?? "-" }
    try await Place.inProcess.with([], client: [RequestID()], seen) { channel in
      #expect(await channel.callDesk() == Desk.names.map { _ in .answer("-") })
    }
    try await Place.inProcess.with([], client: [RequestID(key: "x-trace", makesMissing: true)]) {
      $0.metadata["x-trace"] ?? "-"
    } _: { channel in
      #expect(Set(await channel.callDesk().map { "\($0)" }).count == 4)
      let own = CallOptions(metadata: ["x-trace": "mine"], timeout: .seconds(20))
      #expect(await channel.callDesk("Ask", own) == .answer("mine"))
    }
  }
}
