public import VoleryTypes

/// What a resolver found: the whole set of endpoints as it is now, not a difference.
public struct Resolution: Sendable, Hashable {
  /// Every endpoint that calls may go to. Empty when the name exists no more or has no addresses: connections that still
  /// work keep serving, and calls fail with `note` once they are gone.
  public var endpoints: [Endpoint]
  /// The service config that came with the answer, as JSON text; nil when there was none.
  public var serviceConfigJSON: String?
  /// Why the service config that came with the answer can't even be given as JSON; it counts as an invalid one (gRFC A21).
  public var serviceConfigError: String?
  /// For error messages and logs: where this came from, and why it is empty where it is ("NXDOMAIN from 10.0.0.10").
  public var note: String
  /// What the policy and its pickers should know besides the endpoints (`PolicyEffects.attributes`), and the selector of each
  /// call's configuration (`Attributes.configSelector`).
  public var attributes = Attributes()

  /// An answer.
  ///
  /// - Parameters:
  ///   - endpoints: Every endpoint that calls may go to.
  ///   - serviceConfigJSON: The service config as JSON text; nil by default: none came.
  ///   - note: For errors and logs: where the answer is from. Empty by default.
  public init(endpoints: [Endpoint], serviceConfigJSON: String? = nil, note: String = "") {
    self.endpoints = endpoints
    self.serviceConfigJSON = serviceConfigJSON
    self.note = note
  }
}

/// What a resolver says.
public enum ResolverUpdate: Sendable {
  /// The set of endpoints, whether it has changed or not.
  case resolved(Resolution)
  /// The resolver could not find out (a time-out, SERVFAIL, a file that can't be read). Whoever has an earlier answer
  /// keeps it; without one, calls fail with this text. The resolver goes on trying by itself.
  case failed(StatusError)
}

/// Why somebody asks a resolver for a fresh answer; the more urgent, the greater.
public enum ResolveCause: Hashable, Comparable, Sendable {
  /// An address could not be reached. It was told before, most likely, and nothing has got worse.
  case connectFailed
  /// A connection that worked is lost, or its server says that it goes (GOAWAY): most likely the answer has changed.
  case connectionLost
  /// The application wants to know, or its policy.
  case requested
}

/// Finds the endpoints behind a target, and goes on finding them as they change.
///
/// A resolver of your own: conform a class or an actor to this and a factory to `ResolverFactory`, and give the factory to
/// the channel: `options.resolvers.register(MyResolverFactory())`. Examples/InMemoryRegistry has one as a program.
///
///     final class RegistryResolver: Resolver {
///       func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
///         for try await addresses in registry.watch(name) {
///           _ = publish(.resolved(Resolution(endpoints: addresses.map { Endpoint($0) }, note: "the registry")))
///         }
///       }
///       func resolveNow(_ cause: ResolveCause) {}
///     }
///
/// The rules:
/// - A channel that wakes up has one made, and calls `run` in a task of its own, away from event loops and callers: it may
///   suspend, and what it blocks is itself. When the channel becomes idle or is closed, the task is cancelled, and nothing
///   that is published later counts; the next call has a new resolver made.
/// - `run` publishes at least once, soon (a failure is an answer too), and again whenever something changes. It returns or
///   throws only when it is cancelled or can't go on. A `run` that throws, or returns early, is a failure with the error's
///   text, and is called again on the same object after 1 s, x1.6 each time up to 120 s: it never kills the channel.
/// - Each `.resolved` is the whole set, not a difference. The connections of endpoints that stay live on, whatever the order
///   is. An empty set is an answer ("there is nobody"), and not a failure: connections that work go on serving, and calls
///   fail with `note` once they are gone. Endpoints without an address are dropped, those with the same addresses are one,
///   and what exceeds 10,000 is not used.
/// - `.failed` means that it could not find out: whoever has an earlier answer keeps it. The resolver goes on trying.
/// - `publish` may be called on any task or thread, one call after another, as often as it likes: of a flood the channel
///   takes the newest. It returns whether the channel could use the update: on false (no endpoint, a failure, a service
///   config that is not valid) a resolver that polls should back off.
/// - `resolveNow` is a hint that an address has just failed or gone away, and says which. It must not block; it may be
///   called on any thread, very often, before `run` and after its end. The resolver limits its own rate, and may do nothing.
/// - Nothing here runs on a call's path: calls read what the channel last published.
public protocol Resolver: AnyObject, Sendable {
  /// Finds the endpoints until it is cancelled, and publishes each answer; the rules above say how.
  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws
  /// A hint that a fresh answer would help. Any thread, very often; must not block.
  func resolveNow(_ cause: ResolveCause)

  /// Whether a request to `resolveNow` is answered by a fresh update within a second, though it may say the same again. The
  /// channel then waits for it, after it has lost its last connection, before it connects to the same address again, which
  /// may be gone. False by default.
  var answersResolveNow: Bool { get }

  /// Whether the first answer is the last one, as that of addresses which stand in the target: the channel then waits for no
  /// news when a connection is lost. False by default.
  var isFixed: Bool { get }
}

extension Resolver {
  /// False: the channel does not wait for a fresh answer.
  public var answersResolveNow: Bool { false }
  /// False: the resolver may answer something else later.
  public var isFixed: Bool { false }
}

/// Suspends until the current task is cancelled: how a resolver's `run` waits when everything comes by other ways.
package func untilCancelled() async {
  let (never, continuation) = AsyncStream.makeStream(of: Never.self)
  for await _ in never {}
  continuation.finish()  // Alive until here: the stream would end with it.
}

/// What a channel's options say to the resolvers that have a use for it.
public struct ResolverSettings: Hashable, Sendable {
  /// Time between two look-ups of a resolver that polls; nil: as the factory has it.
  public var refreshInterval: Duration?
  /// Whether service configs are read of DNS; nil: as the factory has it.
  public var readsServiceConfigFromDNS: Bool?

  /// What a channel's options say; nil leaves a factory's own.
  public init(refreshInterval: Duration? = nil, readsServiceConfigFromDNS: Bool? = nil) {
    self.refreshInterval = refreshInterval
    self.readsServiceConfigFromDNS = readsServiceConfigFromDNS
  }
}

/// Makes resolvers for the targets of one scheme.
public protocol ResolverFactory: Sendable {
  /// Lower case, without the colon.
  var scheme: String { get }

  /// Called whenever a channel to such a target wakes up, and once more when it is made, to find out what can never work:
  /// it should do nothing but that. Work begins in `run`.
  ///
  /// - Throws: What is wrong with a target that this scheme can't resolve, whatever happens; making the channel fails then.
  func makeResolver(for target: Target) throws -> any Resolver

  /// The `:authority` of calls to this target, and the name that TLS checks; the endpoint's text by default.
  func defaultAuthority(for target: Target) -> String

  /// The factory as a channel with these settings uses it; itself by default.
  func adopting(_ settings: ResolverSettings) -> any ResolverFactory
}

extension ResolverFactory {
  /// The endpoint's text as it stands in the target, decoded.
  public func defaultAuthority(for target: Target) -> String { target.endpoint }
  /// Itself: it has no use for them.
  public func adopting(_ settings: ResolverSettings) -> any ResolverFactory { self }
}

/// The resolvers that a channel knows, by scheme: a value, given to the channel in its options.
public struct ResolverRegistry: Sendable {
  private var factories: [String: any ResolverFactory] = [:]

  /// A registry of these factories, of which a later one replaces an earlier one of the same scheme. Empty by default, which
  /// resolves nothing, not even IP addresses; `standard` has those that channels know.
  public init(_ factories: [any ResolverFactory] = []) {
    for factory in factories { register(factory) }
  }

  /// A later factory for the same scheme replaces the earlier one.
  public mutating func register(_ factory: any ResolverFactory) { factories[factory.scheme] = factory }

  /// The factory for this scheme (lower case); nil when there is none.
  public subscript(scheme: String) -> (any ResolverFactory)? { factories[scheme] }

  /// The schemes that have a factory, sorted.
  public var schemes: [String] { factories.keys.sorted() }

  /// Each factory as a channel with these settings uses it.
  package func adopting(_ settings: ResolverSettings) -> ResolverRegistry {
    var adopted = self
    adopted.factories = factories.mapValues { $0.adopting(settings) }
    return adopted
  }
}
