import Testing
import VoleryTypes

@Suite("Method configurations that are built in Swift") struct MethodScopeTests {
  static let get = MethodDescriptor(service: "shop.Orders", name: "Get", kind: .unary)
  static let list = MethodDescriptor(service: "shop.Orders", name: "List", kind: .serverStreaming)
  static let other = MethodDescriptor(service: "shop.Stock", name: "Get", kind: .unary)

  @Test("are the same as those of JSON") func sameAsJSON() throws {
    var built = ServiceConfig()
    built[.all] = MethodConfig(timeout: .seconds(5))
    built[.service("shop.Orders")] = MethodConfig(
      waitForReady: true, maxRequestMessageBytes: 10, maxResponseMessageBytes: 20,
      retryPolicy: RetryPolicy(
        maxAttempts: 9, initialBackoff: .milliseconds(100), maxBackoff: .seconds(1), backoffMultiplier: 5000,
        retryableCodes: [.unavailable, .aborted]))
    built[.method(Self.list)] = MethodConfig(
      hedgingPolicy: HedgingPolicy(maxAttempts: 3, hedgingDelay: .milliseconds(500), nonFatalCodes: [.unavailable]))
    built.retryThrottling = .init(maxTokens: 10, tokenRatio: 0.1)
    let read = try ServiceConfig(
      json: """
        {"methodConfig": [
          {"name": [{}], "timeout": "5s"},
          {"name": [{"service": "shop.Orders"}], "waitForReady": true, "maxRequestMessageBytes": 10,
            "maxResponseMessageBytes": 20, "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s",
            "backoffMultiplier": 5000, "retryableStatusCodes": ["UNAVAILABLE", "ABORTED"]}},
          {"name": [{"service": "shop.Orders", "method": "List"}], "hedgingPolicy": {"maxAttempts": 3,
            "hedgingDelay": "0.5s", "nonFatalStatusCodes": ["UNAVAILABLE"]}}
        ], "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}
        """)
    #expect(built == read)
  }

  @Test("hold where they are the most particular, and go when nil is set") func scopes() {
    var config = ServiceConfig()
    config[.all] = MethodConfig(timeout: .seconds(1))
    config[.service("shop.Orders")] = MethodConfig(timeout: .seconds(2))
    config[.method(Self.get)] = MethodConfig(timeout: .seconds(3))
    #expect(config[Self.get]?.timeout == .seconds(3))
    #expect(config[Self.list]?.timeout == .seconds(2))
    #expect(config[Self.other]?.timeout == .seconds(1))
    config[.method(Self.get)] = nil
    #expect(config[.method(Self.get)] == nil && config[Self.get]?.timeout == .seconds(2))
  }

  @Test("that can't be end the program with what is wrong") func impossible() async throws {
    let both = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var config = ServiceConfig()
      config[.all] = MethodConfig(
        retryPolicy: RetryPolicy(maxAttempts: 2, retryableCodes: [.unavailable]),
        hedgingPolicy: HedgingPolicy(maxAttempts: 2, hedgingDelay: .zero))
    }
    try Self.expect(both, "a retry policy and a hedging policy exclude one another")
    let once = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var config = ServiceConfig()
      config[.all] = MethodConfig(retryPolicy: RetryPolicy(maxAttempts: 1, retryableCodes: [.unavailable]))
    }
    try Self.expect(once, "a retry policy has 2 attempts or more, not 1")
  }

  private static func expect(_ result: ExitTest.Result?, _ part: String) throws {
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains(part), "\(text)")
  }
}
