import Synchronization
import VoleryNameResolution
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Runs a channel's resolver in a task, away from event loops and callers, and runs it again when it gives up: whatever a
/// resolver does, the channel lives on. In the channel's control plane, but for what is marked.
final class ResolverDriver: @unchecked Sendable {  // Isolation: loop
  /// A resolution, looked at before it reaches the control plane.
  struct Resolved: Sendable {
    var resolution: Resolution
    var serviceConfig: Result<ServiceConfig?, ServiceConfigError>
  }

  enum Update: Sendable {
    case resolved(Resolved)
    case failed(StatusError)
  }

  /// What has been published and not yet taken: of a flood the newest answer, and the newest failure after it.
  private struct Mailbox: Sendable {
    var resolved: Resolved?
    var failure: StatusError?
    var isTakeScheduled = false
    var isStopped = false
  }

  /// The most endpoints that are taken from an answer.
  static let maxEndpoints = 10_000

  private let resolver: any Resolver
  private let loop: any TransportLoop
  private let clock: ChannelClock
  private let updated: (Update) -> Void
  private let mailbox = Mutex(Mailbox())
  private let nudges: AsyncStream<Void>.Continuation
  /// The most urgent cause since the resolver was last asked.
  private let nudge = Mutex<ResolveCause?>(nil)
  private var nudging: Task<Void, Never>?
  private var running: Task<Void, Never>?
  private var restart: (any TransportTimer)?
  private var backoff = Backoff()
  private var isStopped = false

  /// - Parameter updated: Called in the control plane, never after `stop`.
  init(_ resolver: any Resolver, loop: any TransportLoop, clock: ChannelClock, updated: @escaping (Update) -> Void) {
    self.resolver = resolver
    self.loop = loop
    self.clock = clock
    self.updated = updated
    // Requests coalesce (gRFC A21), and a resolver that blocks holds up nobody but itself.
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    nudges = continuation
    nudging = Task { [resolver, weak self] in
      for await _ in stream {
        if let cause = self?.takeNudge() { resolver.resolveNow(cause) }
      }
    }
  }

  /// Whether a request to look again is answered soon.
  var answersResolveNow: Bool { resolver.answersResolveNow }

  /// Whether the answer may ever change.
  var isFixed: Bool { resolver.isFixed }

  func start() {
    running = Task { [resolver, weak self] in
      var failure = StatusError(.unavailable, "the resolver has stopped")
      do {
        try await resolver.run { [weak self] update in self?.published(update) ?? false }
      } catch {
        failure =
          error as? StatusError ?? StatusError(.unavailable, "the resolver has failed: \(String(line: "\(error)"))")
      }
      if !Task.isCancelled { self?.ended(failure) }
    }
  }

  func resolveNow(_ cause: ResolveCause) {
    nudge.withLock { $0 = max($0 ?? cause, cause) }
    nudges.yield()
  }

  private func takeNudge() -> ResolveCause? { nudge.withLock { $0.take() } }

  func stop() {
    isStopped = true
    mailbox.withLock { $0 = Mailbox(isStopped: true) }
    restart.take()?.cancel()
    running?.cancel()
    nudges.finish()
    nudging?.cancel()
  }

  // MARK: On the resolver's own task

  /// Returns whether the channel can use the update; a resolver that polls backs off when it can't.
  private func published(_ update: ResolverUpdate) -> Bool {
    switch update {
    case .failed(let error):
      post { $0.failure = error }
      return false
    case .resolved(var resolution):
      resolution.endpoints.removeAll { $0.addresses.isEmpty }
      if resolution.endpoints.count > ResolverDriver.maxEndpoints {
        resolution.endpoints.removeLast(resolution.endpoints.count - ResolverDriver.maxEndpoints)
      }
      let config = ResolverDriver.serviceConfig(of: resolution)
      let resolved = Resolved(resolution: resolution, serviceConfig: config)
      post { mailbox in
        mailbox.resolved = resolved
        mailbox.failure = nil
      }
      if case .failure = config { return false }
      return !resolution.endpoints.isEmpty
    }
  }

  private static func serviceConfig(of resolution: Resolution) -> Result<ServiceConfig?, ServiceConfigError> {
    if let error = resolution.serviceConfigError { return .failure(ServiceConfigError(error)) }
    guard let json = resolution.serviceConfigJSON else { return .success(nil) }
    do throws(ServiceConfigError) { return .success(try ServiceConfig(json: json)) } catch { return .failure(error) }
  }

  private func ended(_ failure: StatusError) {
    post { $0.failure = failure }
    loop.execute { [weak self] in self?.scheduleRestart() }
  }

  private func post(_ change: (inout Mailbox) -> Void) {
    let isFirst = mailbox.withLock { mailbox in
      guard !mailbox.isStopped else { return false }
      change(&mailbox)
      defer { mailbox.isTakeScheduled = true }
      return !mailbox.isTakeScheduled
    }
    if isFirst { loop.execute { [weak self] in self?.take() } }
  }

  // MARK: In the control plane

  private func take() {
    let taken = mailbox.withLock { mailbox in
      defer { mailbox = Mailbox(isStopped: mailbox.isStopped) }
      return mailbox
    }
    if let resolved = taken.resolved {
      if !resolved.resolution.endpoints.isEmpty { backoff.reset() }
      if !isStopped { updated(.resolved(resolved)) }
    }
    if let failure = taken.failure, !isStopped { updated(.failed(failure)) }
  }

  private func scheduleRestart() {
    guard !isStopped else { return }
    restart = loop.scheduleTimer(after: backoff.failed(random: clock.random())) { [weak self] in self?.start() }
  }
}
