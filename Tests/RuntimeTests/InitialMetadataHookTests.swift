import TestSupport
import Testing
import Volery

/// What interceptors do to the server's initial metadata as these arrive (`ClientInvocation.onInitialMetadata`).
@Suite("Interceptors and initial metadata", .timeLimit(.minutes(1))) struct InitialMetadataHookTests {
  /// Appends its name.
  private struct Adding: ClientInterceptor {
    let name: String

    func intercept(_ call: ClientInvocation, _ next: ClientInvocation.Next) async throws {
      call.onInitialMetadata { metadata, _ in metadata.append(name, for: "x-seen") }
      try await next()
    }
  }

  @Test(
    "each sees them on their way in, the outermost last, whatever the call's kind; a stream's caller has them before its end",
    arguments: Way.allCases)
  func kinds(_ way: Way) async throws {
    let (server, address) = try NotingStage.start(way)
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.interceptors = [Adding(name: "outer"), Adding(name: "inner")]
    options.attemptInterceptors = [Adding(name: "attempt")]
    let channel = try Channel(address.target, options: options)
    defer { channel.close() }
    let seen = ["attempt", "inner", "outer"]
    var limit = NotingStage.limit
    limit.metadata = ["x-in": "hello"]
    let response = try await channel.unary(RawEcho.metadata, [], options: limit)
    #expect(response.initialMetadata.values("x-seen") == seen)
    #expect(response.initialMetadata["x-initial"] == "hello")
    let download = channel.serverStreaming(RawEcho.download, [1], options: limit)
    #expect(try await download.initialMetadata.values("x-seen") == seen)
    for try await _ in download {}
    let chat = channel.bidirectional(RawEcho.chat, options: limit)
    try await chat.send([1])
    #expect(try await chat.initialMetadata.values("x-seen") == seen)
    chat.finish()
    #expect(await chat.status.code == .ok)
    let error = await #expect(throws: StatusError.self) { try await channel.unary(RawEcho.fail, [65], options: limit) }
    #expect(error?.code == .failedPrecondition && error?.metadata["x-seen"] == nil, "there were none")
  }
}
