public import VoleryTypes

/// Sends `authorization: Bearer TOKEN` (RFC 6750) with a token that it gets from a closure of yours: from an OAuth 2 token
/// server, a metadata server, a file. The token is kept, renewed before it expires while calls go on with the old one, and
/// got once for all calls that wait for it. A call that ends while it waits waits no more; the closure goes on, for those to
/// come.
///
///     let credentials = BearerToken { BearerToken.Token(try await fetchToken(), validFor: .seconds(3600)) }
///     let channel = try Channel("dns:///orders:443", credentials: .tls().with(credentials))
public actor BearerToken: CallCredentials {
  /// A token as its source has given it.
  public struct Token: Sendable {
    /// What stands behind `Bearer`: printable ASCII, or the call fails with INTERNAL.
    public var value: String
    /// From when it was got; nil: for ever.
    public var validFor: Duration?

    /// A token that is valid so long from now; without `validFor`, for ever.
    public init(_ value: String, validFor: Duration? = nil) {
      self.value = value
      self.validFor = validFor
    }
  }

  /// Redacted wherever it is printed.
  private struct Held: CustomStringConvertible, CustomReflectable {
    var value: String
    var expiry: ContinuousClock.Instant?

    var description: String { "a token" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
  }

  private struct Failure {
    var error: any Error
    var retryAt: ContinuousClock.Instant
    var count: Int
  }

  private let fetch: @Sendable () async throws -> Token
  private let earlyRenewal: Duration
  private let now: @Sendable () -> ContinuousClock.Instant
  private var held: Held?
  private var failure: Failure?
  private var isFetching = false
  /// Calls that have no token yet.
  package private(set) var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  private var waiterCount = 0

  /// After a failure the source is left alone this long, then twice as long, up to the maximum; calls get the failure.
  private static let firstPause = Duration.seconds(1)
  private static let maxPause = Duration.seconds(60)

  /// Credentials with tokens of this source; none is got before the first call.
  ///
  /// - Parameters:
  ///   - earlyRenewal: A token that expires within this time is renewed. 60 seconds; for a token that lives shorter, the
  ///     last fifth of its life.
  ///   - fetch: Gets a token; called once at a time.
  public init(earlyRenewal: Duration = .seconds(60), fetch: @escaping @Sendable () async throws -> Token) {
    self.init(earlyRenewal: earlyRenewal, now: { .now }, fetch: fetch)
  }

  package init(
    earlyRenewal: Duration, now: @escaping @Sendable () -> ContinuousClock.Instant,
    fetch: @escaping @Sendable () async throws -> Token
  ) {
    self.earlyRenewal = earlyRenewal
    self.now = now
    self.fetch = fetch
  }

  private var renewal: ContinuousClock.Instant?

  /// `authorization` with the token at hand, else with the one that is being got.
  ///
  /// - Throws: What the closure last threw, until the pause after that failure is over (1 s, doubled up to 60 s).
  public func metadata(for call: CallCredentialsRequest) async throws -> Metadata {
    ["authorization": "Bearer \(try await token())"]
  }

  private func token() async throws -> String {
    while true {
      let time = now()
      if let held, held.expiry.map({ time < $0 }) ?? true {
        if let renewal, time >= renewal, mayFetch(time) { startFetching() }
        return held.value
      }
      if let failure, time < failure.retryAt { throw failure.error }
      if !isFetching { startFetching() }
      try await fetched()
    }
  }

  /// Waits for the end of what is being fetched, or of the task.
  private func fetched() async throws(CancellationError) {
    waiterCount += 1
    let id = waiterCount
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiters[id] = $0 }
    } onCancel: {
      Task { await stopWaiting(id) }
    }
    if Task.isCancelled { throw CancellationError() }
  }

  private func stopWaiting(_ id: Int) { waiters.removeValue(forKey: id)?.resume() }

  private func mayFetch(_ time: ContinuousClock.Instant) -> Bool {
    !isFetching && (failure.map { time >= $0.retryAt } ?? true)
  }

  private func startFetching() {
    isFetching = true
    Task { [fetch] in
      do { received(try await fetch()) } catch { failed(error) }
      isFetching = false
      for waiter in waiters.values { waiter.resume() }
      waiters = [:]
    }
  }

  private func received(_ token: Token) {
    let time = now()
    failure = nil
    // A token that is never valid must not be asked for without end.
    let life = token.validFor.map { max($0, BearerToken.firstPause) }
    held = Held(value: token.value, expiry: life.map { time.advanced(by: $0) })
    renewal = life.map { time.advanced(by: max($0 - earlyRenewal, $0 * 4 / 5)) }
  }

  private func failed(_ error: any Error) {
    let count = (failure?.count ?? 0) + 1
    let pause = min(BearerToken.firstPause * (1 << min(count - 1, 10)), BearerToken.maxPause)
    failure = Failure(error: error, retryAt: now().advanced(by: pause), count: count)
  }
}

/// What is printed, dumped or reflected never has the token in it.
extension BearerToken.Token: CustomStringConvertible, CustomReflectable {
  /// How long it is valid; never the token.
  public var description: String { validFor.map { "a token for \($0)" } ?? "a token" }
  /// The same for `dump`.
  public var customMirror: Mirror { Mirror(self, children: ["validFor": validFor as Any]) }
}

extension BearerToken: CustomReflectable {
  /// Nothing: a reflection of the actor would show the token.
  nonisolated public var customMirror: Mirror { Mirror(self, children: [:]) }
}
