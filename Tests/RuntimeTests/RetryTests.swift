import Synchronization
import TestSupport
import Testing
import Volery

@Suite("Retries by policy (gRFC A6)", .timeLimit(.minutes(1))) struct RetryTests {
  /// Fails so many times, then answers with how many attempts the client said it had made before.
  struct Flaky: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Flaky", name: "Call", kind: .unary)
    static let safe = Method<[UInt8], [UInt8]>(
      service: "test.Flaky", name: "Safe", kind: .unary, idempotency: .noSideEffects)

    final class Attempts: Sendable {
      private let count = Mutex(0)
      func next() -> Int {
        count.withLock { count in
          count += 1
          return count
        }
      }
      var value: Int { count.withLock { $0 } }
    }

    let attempts = Attempts()
    let failures: Int
    var code = StatusCode.unavailable
    var pushback: String?
    var sendsHeaders = false

    var handlers: [MethodHandler] { [.unary(Flaky.method, call), .unary(Flaky.safe, call)] }

    @Sendable private func call(_ request: [UInt8], _ context: ServerContext) async throws -> [UInt8] {
      if attempts.next() > failures {
        return Array((context.metadata["grpc-previous-rpc-attempts"] ?? "0").utf8) + request
      }
      if sendsHeaders { context.sendInitialMetadata() }
      if let pushback { context.trailingMetadata = ["grpc-retry-pushback-ms": pushback] }
      throw StatusError(code, "not yet")
    }
  }

  static let config = """
    {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.01s", "maxBackoff": "0.1s",
     "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]
    """

  func call(
    _ service: Flaky, config: String = RetryTests.config + "}", method: Method<[UInt8], [UInt8]> = Flaky.method
  ) async throws -> Result<[UInt8], StatusError> {
    let server = Server(services: [service])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: config)
    let channel = try Channel(address.target, options: options)
    do throws(StatusError) {
      return .success(try await channel.unary(method, [33], options: CallOptions(timeout: .seconds(20))).message)
    } catch {
      return .failure(error)
    }
  }

  @Test("a retryable failure is tried again, and the server is told how often") func succeeds() async throws {
    let service = Flaky(failures: 3)
    #expect(try await call(service).get() == Array("3!".utf8))
    #expect(service.attempts.value == 4)
  }

  @Test("after the last attempt the failure is the caller's") func exhausted() async throws {
    let service = Flaky(failures: 9)
    let result = try await call(service)
    #expect(throws: StatusError.self) { try result.get() }
    #expect(service.attempts.value == 4)
  }

  @Test(
    "what must not be retried is not",
    arguments: [
      Flaky(failures: 1, code: .internal), Flaky(failures: 1, pushback: "-1"), Flaky(failures: 1, pushback: "soon"),
      Flaky(failures: 1, sendsHeaders: true),
    ])
  func notRetried(_ service: Flaky) async throws {
    let result = try await call(service)
    #expect(throws: StatusError.self) { try result.get() }
    #expect(service.attempts.value == 1)
  }

  @Test("the server's pushback is waited for") func pushback() async throws {
    let started = ContinuousClock.now
    let service = Flaky(failures: 1, pushback: "300")
    #expect(try await call(service).get() == Array("1!".utf8))
    #expect(started.duration(to: .now) >= .milliseconds(300))
  }

  /// Says when nobody holds it any more.
  final class Token: CallCredentials {
    func metadata(for call: CallCredentialsRequest) async throws -> Metadata { [:] }
  }

  @Test(
    "a call that ends while it waits for its next attempt leaves nothing behind, hedged or not",
    arguments: [true, false])
  func endWhileWaiting(_ isHedged: Bool) async throws {
    let server = Server(services: [Flaky(failures: 9, pushback: "30000")])
    let name = "retry-end-\(isHedged)"
    try server.start(listeningOn: .inProcess(name))
    defer { server.shutDown() }
    let hedging =
      #"{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":3,"hedgingDelay":"20s","nonFatalStatusCodes":["UNAVAILABLE"]}}]}"#
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(json: isHedged ? hedging : RetryTests.config + "}")
    let channel = try Channel("in-process:\(name)", options: options)
    weak var left: Token?
    do {
      let token = Token()
      left = token
      var options = CallOptions(timeout: .milliseconds(300))
      options.credentials = token
      do throws(StatusError) {
        _ = try await channel.unary(Flaky.method, [33], options: options)
        Issue.record("it can't succeed")
      } catch {
        #expect(error.code == .deadlineExceeded)
      }
    }
    // It would be there for 30 s, as long as the pushback.
    try await eventually("nobody holds the call any more", within: .seconds(5)) { left == nil }
  }

  @Test("a multiplier beyond all measure is no harm") func multiplier() async throws {
    let service = Flaky(failures: 3)
    let config = RetryTests.config.replacing("\"backoffMultiplier\": 2", with: "\"backoffMultiplier\": 1e30") + "}"
    #expect(try await call(service, config: config).get() == Array("3!".utf8))
  }

  @Test("without tokens there is no retry") func throttled() async throws {
    let service = Flaky(failures: 9)
    let config = RetryTests.config + ", \"retryThrottling\": {\"maxTokens\": 4, \"tokenRatio\": 0.1}}"
    _ = try await call(service, config: config)
    #expect(service.attempts.value == 2, "tokens 4, 3 (retry), 2 (no more than half)")
  }

  @Test("an idempotent method is retried without any configuration, another one is not") func idempotent() async throws
  {
    let safe = Flaky(failures: 2)
    #expect(try await call(safe, config: "{}", method: Flaky.safe).get() == Array("2!".utf8))
    let unsafe = Flaky(failures: 2)
    _ = try await call(unsafe, config: "{}")
    #expect(unsafe.attempts.value == 1)
  }
}
