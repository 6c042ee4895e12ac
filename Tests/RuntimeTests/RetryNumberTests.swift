import Testing
import VoleryClient
import VoleryTransport
import VoleryTypes

@Suite("Numbers that servers and configs bring to retries") struct RetryNumberTests {
  private static let unavailable = StreamOutcome(
    status: Status(code: .unavailable, message: "no"), trailingMetadata: Metadata(), origin: .peer)

  @Test(
    "no multiplier and no backoff makes a wait that is negative, too long, or the end of the process",
    arguments: [Double.leastNonzeroMagnitude, 1, 1.6, 1000, 1e30, 1e308, .infinity, .nan],
    [Duration.nanoseconds(1), .seconds(1), ConfigReader.longestDuration])
  func waits(_ multiplier: Double, _ backoff: Duration) {
    for longest in [Duration.nanoseconds(1), .seconds(120), ConfigReader.longestDuration] {
      let policy = RetryPolicy(
        maxAttempts: 1000, initialBackoff: backoff, maxBackoff: longest, backoffMultiplier: multiplier,
        retryableCodes: [.unavailable])
      var retries = RetryStrategy(policy) { 1 }
      for _ in 0..<40 {
        let verdict = retries.attemptEnded(Self.unavailable, isCommitted: false, throttle: RetryThrottle())
        guard case .another(let delay) = verdict else {
          Issue.record("no retry")
          return
        }
        #expect(delay >= .zero && delay <= longest * 1.2)
      }
    }
  }

  @Test(
    "a pushback is what it says, up to two minutes",
    arguments: [
      ("0", Pushback.after(.zero)), ("250", .after(.milliseconds(250))), ("00250", .after(.milliseconds(250))),
      ("120000", .after(.seconds(120))), ("120001", .after(.seconds(120))),
      ("9223372036854775807", .after(.seconds(120))),
      ("9223372036854775808", .after(.seconds(120))), (String(repeating: "9", count: 4000), .after(.seconds(120))),
      ("-1", .stop), ("+5", .stop), ("1.5", .stop), ("1e3", .stop), ("soon", .stop), ("", .stop), (" 5", .stop),
      ("٣", .stop),
    ])
  func pushback(_ value: String, _ expected: Pushback) {
    #expect(Pushback(["grpc-retry-pushback-ms": value]) == expected)
  }

  @Test("none is none, and several are a stop") func numberOfPushbacks() {
    #expect(Pushback([:]) == .none)
    #expect(Pushback(["grpc-retry-pushback-ms": "5", "grpc-retry-pushback-ms": "5"]) == .stop)
  }
}
