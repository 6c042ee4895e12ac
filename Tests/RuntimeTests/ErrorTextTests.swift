import TestSupport
import Testing
import Volery

@Suite("What a failed call says of server and target", .timeLimit(.minutes(1))) struct ErrorTextTests {
  private static let method = Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Call", kind: .unary)

  struct Broken: Error, CustomStringConvertible { let description = "broken" }

  private static let broken = Serializer<[UInt8]>(
    serialize: { _, _ in throw Broken() }, deserialize: { _ in throw Broken() })

  private static let timely = CallOptions(timeout: .seconds(10))

  /// How a call fails to a server that answers so, and the server's address.
  private func failure(
    _ answer: ScriptedServer.Answer, isCalledBefore: Bool = false,
    _ body: (Channel) async throws(StatusError) -> Void
  ) async throws -> (error: StatusError, server: String) {
    let server = try ScriptedServer(.init(answer: answer))
    defer { server.stop() }
    let channel = try Channel(server.target)
    do throws(StatusError) {
      try await body(channel)
    } catch {
      return (error, "127.0.0.1:\(server.port)")
    }
    throw Broken()
  }

  private func check(_ error: StatusError, _ server: String, isOnServer: Bool = true) {
    #expect(error.message.contains("target ipv4:///\(server)"), "\(error)")
    #expect(error.message.contains(isOnServer ? "server \(server)" : "without a connection"), "\(error)")
  }

  @Test(
    "whatever a server does that is no answer",
    arguments: ScriptedServer.Answer.allCases.filter { $0 != .message && $0 != .nothing })
  func answers(_ answer: ScriptedServer.Answer) async throws {
    let (error, server) = try await failure(answer) { channel throws(StatusError) in
      _ = try await channel.unary(Self.method, [], options: Self.timely)
    }
    check(error, server)
  }

  @Test("a deadline, a cancellation, and a message that is no message") func own() async throws {
    try await givenTime("the call is on its way") { time in
      let (error, server) = try await failure(.nothing) { channel throws(StatusError) in
        _ = try await channel.unary(Self.method, [], options: CallOptions(timeout: time))
      }
      #expect(error.code == .deadlineExceeded)
      guard !error.message.contains("without a connection") else { return false }
      check(error, server)
      return true
    }

    var (error, server) = try await failure(.nothing) { channel throws(StatusError) in
      let call = channel.serverStreaming(
        Method<[UInt8], [UInt8]>(service: "test.Scripted", name: "Call", kind: .serverStreaming), [])
      do { try await eventually("the call is on its way") { call.peer != nil } } catch { Issue.record(error) }
      call.cancel()
      for try await _ in call {}
    }
    #expect(error.code == .cancelled)
    check(error, server)

    (error, server) = try await failure(.message) { channel throws(StatusError) in
      let method = Method<[UInt8], [UInt8]>(
        service: "test.Scripted", name: "Call", kind: .unary, requestSerializer: .wire, responseSerializer: Self.broken)
      _ = try await channel.unary(method, [], options: Self.timely)
    }
    #expect(error.code == .internal)
    check(error, server)
  }

  @Test("what fails before there is a server") func before() async throws {
    var (error, server) = try await failure(.message) { channel throws(StatusError) in
      let method = Method<[UInt8], [UInt8]>(
        service: "test.Scripted", name: "Call", kind: .unary, requestSerializer: Self.broken, responseSerializer: .wire)
      _ = try await channel.unary(method, [], options: Self.timely)
    }
    check(error, server, isOnServer: false)

    var options = Self.timely
    options.maxRequestMessageBytes = 3
    (error, server) = try await failure(.message) { [options] channel throws(StatusError) in
      _ = try await channel.unary(Self.method, [1, 2, 3, 4], options: options)
    }
    check(error, server, isOnServer: false)

    options = Self.timely
    options.metadata = ["bad key": "x"]
    (error, server) = try await failure(.message) { [options] channel throws(StatusError) in
      _ = try await channel.unary(Self.method, [], options: options)
    }
    check(error, server, isOnServer: false)

    (error, server) = try await failure(.message) { channel throws(StatusError) in
      await channel.drain()
      _ = try await channel.unary(Self.method, [], options: Self.timely)
    }
    check(error, server, isOnServer: false)

    (error, server) = try await failure(.message) { channel throws(StatusError) in
      channel.close()
      try await channel.waitUntilReady(.after(.seconds(10)))
    }
    #expect(error.message.contains("ipv4:///\(server)"), "\(error)")
  }

  @Test("credentials that are not sent, or not to be had") func credentials() async throws {
    struct Refusing: CallCredentials {
      func metadata(for call: CallCredentialsRequest) async throws -> Metadata { throw Broken() }
    }
    let (error, server) = try await failure(.message) { channel throws(StatusError) in
      var options = Self.timely
      options.credentials = Refusing()
      _ = try await channel.unary(Self.method, [], options: options)
    }
    #expect(error.code == .unauthenticated)
    check(error, server)

    let local = Server(services: [RawEcho()])
    try local.start(listeningOn: .inProcess("error-texts"))
    defer { local.shutDown() }
    var options = Self.timely
    options.credentials = Refusing()
    let channel = try Channel("in-process:error-texts")
    do throws(StatusError) {
      _ = try await channel.unary(RawEcho.unary, [1], options: options)
      Issue.record("it can't succeed")
    } catch {
      #expect(error.message.contains("server in-process:error-texts"), "\(error)")
      #expect(error.message.contains("target in-process:///error-texts"), "\(error)")
    }
  }

  @Test("what a server says itself stays as it is") func serversOwn() async throws {
    let server = Server(services: [RetryTests.Flaky(failures: 9, code: .unavailable)])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    let channel = try Channel("ipv4:\(address)")
    do throws(StatusError) {
      _ = try await channel.unary(RetryTests.Flaky.method, [1], options: Self.timely)
      Issue.record("it can't succeed")
    } catch {
      #expect(error.message == "not yet")
      #expect(error.peer?.address == address)
    }
  }
}
