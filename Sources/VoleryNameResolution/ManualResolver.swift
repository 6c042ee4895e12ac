import Synchronization
import VoleryTypes

/// A resolver that says what the program tells it: for tests, and for endpoints that come from somewhere else.
///
///     let endpoints = ManualResolver(scheme: "registry")
///     var options = ChannelOptions()
///     options.resolvers.register(endpoints)
///     let channel = try Channel("registry:///orders", options: options)
///     endpoints.publish(.resolved(Resolution(endpoints: [Endpoint(.tcp("10.0.0.7", 50051))])))
///
/// It is its own factory: every target of its scheme gets the same answer, the last one published, and every later one.
public final class ManualResolver: Resolver, ResolverFactory {
  private struct State {
    var last: ResolverUpdate?
    var listeners: [Int: @Sendable (ResolverUpdate) -> Bool] = [:]
    var nextID = 0
    var resolveNowCount = 0
  }

  /// The scheme of the targets that it answers, lower case.
  public let scheme: String
  private let state = Mutex(State())

  /// A resolver that has no answer yet: calls wait for the first `publish`. Its scheme is lower case, `manual` by default.
  public init(scheme: String = "manual") { self.scheme = scheme }

  /// Itself, for every target.
  public func makeResolver(for target: Target) -> any Resolver { self }

  /// How often somebody has asked for a fresh answer.
  public var resolveNowCount: Int { state.withLock { $0.resolveNowCount } }

  /// Tells every channel. Returns whether all of them could use it.
  @discardableResult
  public func publish(_ update: ResolverUpdate) -> Bool {
    let listeners = state.withLock { state in
      state.last = update
      return state.listeners.sorted { $0.key < $1.key }.map(\.value)
    }
    return listeners.map { $0(update) }.allSatisfy { $0 }
  }

  /// Publishes the last answer, where there is one, and every later one until the task is cancelled; called by the channel.
  public func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let (id, last) = state.withLock { state in
      state.nextID += 1
      state.listeners[state.nextID] = publish
      return (state.nextID, state.last)
    }
    defer { state.withLock { $0.listeners[id] = nil } }
    if let last { _ = publish(last) }
    await untilCancelled()
  }

  /// Counts the request in `resolveNowCount`, and does nothing else.
  public func resolveNow(_ cause: ResolveCause) { state.withLock { $0.resolveNowCount += 1 } }
}
