import VoleryEventLoops
import VoleryHTTP2Transport
public import VoleryNameResolution
import VoleryTransport
public import VoleryTypes

extension Resolution {
  /// The endpoints behind a target and how they change, without a channel: for programs that want to know who is there.
  ///
  ///     for await found in try Resolution.updates(of: "dns:///orders:50051") { print(found.endpoints) }
  ///
  /// - Parameters:
  ///   - target: As for a channel; the resolvers' work is shared with the channels of the process to the same target.
  ///   - resolvers: By scheme.
  /// - Throws: `TargetError` when the target can't be read, its scheme is unknown, or can't ever be resolved.
  public static func updates(
    of target: String, resolvers: ResolverRegistry = .standard
  ) throws(TargetError) -> ResolutionUpdates {
    let parsed = try Target(parsing: target, knownSchemes: resolvers.schemes)
    guard let factory = resolvers[parsed.scheme] else {
      throw TargetError("no resolver for the scheme \"\(parsed.scheme)\"")
    }
    let updates = ResolutionUpdates(target: parsed, factory: factory)
    do { _ = try factory.makeResolver(for: parsed) } catch { throw TargetError("\(error)") }
    return updates
  }
}

/// What is known of a target, from now on: an element at first, when the first answer or failure is there, and one for each
/// change. A reader that is slower than the changes gets the newest one, which is whole.
///
/// Each iteration has a resolver of its own. It ends when its task is cancelled, and never by itself: a resolver that gives
/// up is run again after 1 s, x1.6, at most 120 s, as by a channel.
public struct ResolutionUpdates: AsyncSequence, Sendable {
  /// What is known of the target at one moment, the whole of it.
  public struct Element: Sendable {
    /// The target that was asked for, parsed.
    public let target: Target
    /// The last answer, in its order. Empty when there was none yet, or the name has no addresses now.
    public fileprivate(set) var endpoints: [Endpoint] = []
    /// The last answer that was not empty.
    public fileprivate(set) var lastKnownEndpoints: [Endpoint] = []
    /// The last valid service config that came with an answer; nil where answers have none.
    public fileprivate(set) var serviceConfig: ServiceConfig?
    /// What is wrong with the service config of the last answer.
    public fileprivate(set) var serviceConfigError: ServiceConfigError?
    /// Where the last answer came from, or why it is empty, in the resolver's words.
    public fileprivate(set) var source = ""
    /// When the resolver last answered, be it with the same again; nil before its first answer.
    public fileprivate(set) var answeredAt: ContinuousClock.Instant?
    /// Why the resolver could not answer since; nil when its last look-up went well. What it said before still holds.
    public fileprivate(set) var failure: StatusError?

    fileprivate init(target: Target) { self.target = target }

    /// How long ago the resolver last answered when this element was made, and the time since; nil before its first answer.
    public var age: Duration? { answeredAt.map { $0.duration(to: .now) } }
  }

  /// One reader's place; each has a resolver of its own.
  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var stream: AsyncStream<Element>.Iterator

    /// The next state of things, or the newest of several; nil once the task is cancelled.
    public mutating func next() async -> Element? { await stream.next(isolation: #isolation) }

    /// The same, from the actor's isolation.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
      await stream.next(isolation: actor)
    }
  }

  private let target: Target
  private let factory: any ResolverFactory

  fileprivate init(target: Target, factory: any ResolverFactory) {
    self.target = target
    self.factory = factory
  }

  /// Starts a resolver, which runs until the iterator is gone or its task is cancelled.
  public func makeAsyncIterator() -> AsyncIterator {
    let (stream, continuation) = AsyncStream.makeStream(of: Element.self, bufferingPolicy: .bufferingNewest(1))
    do throws(SocketError) {
      let loop = try EventLoopGroup.shared().next()
      let watch = ResolutionWatch(target: target, factory: factory, on: loop) { continuation.yield($0) }
      continuation.onTermination = { _ in watch.stop() }
      watch.start()
    } catch {
      var state = Element(target: target)
      state.failure = StatusError(.unavailable, error.description)
      continuation.yield(state)
    }
    return AsyncIterator(stream: stream.makeAsyncIterator())
  }
}

/// One iteration. On its loop, but for what is marked.
private final class ResolutionWatch: @unchecked Sendable {  // Isolation: loop
  private let loop: EventLoop
  private let factory: any ResolverFactory
  private let changed: (ResolutionUpdates.Element) -> Void
  private var state: ResolutionUpdates.Element
  private var driver: ResolverDriver?
  private var retry: (any TransportTimer)?
  private var isStopped = false
  private var hasTold = false

  init(
    target: Target, factory: any ResolverFactory, on loop: EventLoop,
    changed: @escaping (ResolutionUpdates.Element) -> Void
  ) {
    self.loop = loop
    self.factory = factory
    self.changed = changed
    state = ResolutionUpdates.Element(target: target)
  }

  /// Any thread.
  func start() { loop.execute { [self] in begin() } }

  /// Any thread.
  func stop() {
    loop.execute { [self] in
      isStopped = true
      driver?.stop()
      retry?.cancel()
    }
  }

  private func begin() {
    guard !isStopped else { return }
    do {
      let made = ResolverDriver(try factory.makeResolver(for: state.target), loop: loop, clock: .system) {
        [weak self] in self?.resolverSaid($0)
      }
      driver = made
      made.start()
    } catch {
      fail(StatusError(.unavailable, "the resolver can't be made: \(error)"))
      retry = loop.scheduleTimer(after: .seconds(1)) { [weak self] in self?.begin() }
    }
  }

  private func resolverSaid(_ update: ResolverDriver.Update) {
    switch update {
    case .failed(let error): fail(error)
    case .resolved(let resolved): answered(resolved)
    }
  }

  private func fail(_ error: StatusError) {
    let isNew = state.failure != error || !hasTold
    state.failure = error
    if isNew { tell() }
  }

  private func answered(_ resolved: ResolverDriver.Resolved) {
    let before = state
    let endpoints = resolved.resolution.endpoints
    state.endpoints = endpoints
    if !endpoints.isEmpty { state.lastKnownEndpoints = endpoints }
    state.source = resolved.resolution.note
    state.answeredAt = .now
    state.failure = nil
    switch resolved.serviceConfig {
    case .success(let config):
      state.serviceConfig = config
      state.serviceConfigError = nil
    case .failure(let error): state.serviceConfigError = error
    }
    let isSame =
      Set(before.endpoints) == Set(endpoints) && before.source == state.source && before.failure == nil
      && before.serviceConfig == state.serviceConfig && before.serviceConfigError == state.serviceConfigError
    if !isSame || !hasTold { tell() }
  }

  private func tell() {
    hasTold = true
    changed(state)
  }
}
