import Synchronization
import TestSupport
import Testing
import Volery
import VoleryTesting

@Suite("The test's clock", .timeLimit(.minutes(1))) struct TestClockTests {
  /// What has happened so far.
  final class Notes: Sendable {
    private let state = Mutex<[Int]>([])
    func add(_ note: Int) -> Int {
      state.withLock {
        $0.append(note)
        return $0.count
      }
    }
    var all: [Int] { state.withLock { $0 } }
  }

  static let hour = CallOptions(timeout: .seconds(3600))

  @Test("wakes those who sleep by it, in their order, each at its own time") func sleepers() async throws {
    let clock = TestClock()
    let start = clock.now
    let woken = Notes()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seconds in [3, 1, 2] {
        group.addTask {
          try await clock.sleep(until: start.advanced(by: .seconds(seconds)))
          _ = woken.add(seconds)
        }
      }
      for seconds in 1...3 { try await clock.waitForTimer(dueWithin: .seconds(seconds)) }
      await clock.advance(by: .milliseconds(999))
      #expect(woken.all == [])
      for seconds in 1...3 {
        await clock.advance(by: seconds == 1 ? .milliseconds(1) : .seconds(1))
        try await group.next()
        #expect(woken.all == Array(1...seconds))
      }
    }
    #expect(start.duration(to: clock.now) == .seconds(3))
  }

  @Test("a sleeper that is cancelled wakes at once") func cancelled() async throws {
    let clock = TestClock()
    let sleeper = Task { try await clock.sleep(for: .seconds(60)) }
    try await clock.waitForTimer(dueWithin: .seconds(60))
    sleeper.cancel()
    await #expect(throws: CancellationError.self) { try await sleeper.value }
  }

  @Test("a deadline of an hour passes at once, for the caller and for the handler") func deadline() async throws {
    let clock = TestClock()
    let events = AsyncStream<Bool>.makeStream()
    let parcels = ParcelsClient(
      try .answering(
        .unary(ParcelsMethods.track) { _, context in
          events.continuation.yield(context.isCancelled)
          for await _ in AsyncStream<Void>.makeStream().stream {}
          events.continuation.yield(context.isCancelled)
          return Place()
        }, clock: clock))
    let outcome = Task { try await parcels.track(Parcel(), options: Self.hour) }
    var cancellations = events.stream.makeAsyncIterator()
    #expect(await cancellations.next() == false)
    await clock.advance(by: .seconds(3600))
    let error = await #expect(throws: StatusError.self) { try await outcome.value }
    #expect(error?.code == .deadlineExceeded)
    #expect(await cancellations.next() == true)
  }

  @Test("a retry's pause of a minute passes at once") func backoff() async throws {
    let clock = TestClock()
    let attempts = Notes()
    var options = ChannelOptions()
    options.serviceConfig = try ServiceConfig(
      json: """
        {"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "60s", "maxBackoff": "60s",
          "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}
        """)
    let parcels = ParcelsClient(
      try .answering(
        .unary(ParcelsMethods.track) { _, _ in
          guard attempts.add(1) == 3 else { throw StatusError(.unavailable, "not yet") }
          return Place(name: "at last")
        }, options: options, clock: clock))
    let start = clock.now
    let place = Task { try await parcels.track(Parcel()) }
    try await eventually("the third attempt") {
      await clock.advance(by: .seconds(10))
      return attempts.all.count == 3
    }
    #expect(try await place.value.name == "at last")
    #expect(start.duration(to: clock.now) >= .seconds(20))
  }
}
