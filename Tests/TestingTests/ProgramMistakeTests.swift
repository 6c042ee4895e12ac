import Testing
import Volery
import VoleryInterceptors
import VoleryTesting

/// Mistakes that end the program, because only another program would help.
@Suite("The usual mistakes in a program", .timeLimit(.minutes(1))) struct ProgramMistakeTests {
  @Test("a service that is registered twice") func twice() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Server(services: [Depot(), Depot()])
    }
    try Self.check(
      result, "has two handlers: a server takes each service once", "/volery.tests.parcels.Parcels/")
  }

  @Test("a limit that lets nobody through") func noCalls() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = ConcurrencyLimit(0)
    }
    try Self.check(result, "a limit of 0 calls would let none through")
  }

  @Test("more interceptors than there may be") func manyInterceptors() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var options = ServerOptions()
      options.interceptors = Array(repeating: RequestID(), count: 65)
      _ = Server(services: [], options: options)
    }
    try Self.check(result, "a server can have 64 interceptors, not 65")
  }

  @Test("binary metadata under a key for text") func binaryKey() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var metadata = Metadata()
      metadata.append(binary: [1], for: "x-key")
    }
    try Self.check(result, "binary metadata needs a key that ends in -bin", "'x-key'")
  }

  @Test("a retry policy that retries nothing") func oneAttempt() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var config = ServiceConfig()
      config[.all] = MethodConfig(retryPolicy: RetryPolicy(maxAttempts: 1, retryableCodes: [.unavailable]))
    }
    try Self.check(result, "a retry policy has 2 attempts or more, not 1")
  }

  @Test("an error that says OK") func fine() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = StatusError(.ok, "all is well")
    }
    try Self.check(result, "a StatusError needs a status other than OK")
  }

  @Test("a method that is to run elsewhere, of another service") func elsewhere() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Server(services: [Depot().on(.sharedPool, only: HealthMethods.check.descriptor)])
    }
    try Self.check(result, "the service has no method", "/grpc.health.v1.Health/Check")
  }

  @Test("requests for a method that takes one") func requests() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      try TestCall(ParcelsMethods.track).send(Parcel())
    }
    try Self.check(
      result, "takes one request, which its handler is given directly", "/volery.tests.parcels.Parcels/Track")
  }

  /// Optimised code that is not this package's own has no texts for what ends the program.
  private static func check(_ result: ExitTest.Result?, _ parts: String...) throws {
    MistakePage.check(String(decoding: try #require(result).standardErrorContent, as: UTF8.self), parts)
  }
}
