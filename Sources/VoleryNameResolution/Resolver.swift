public import VoleryTypes

/// What a resolver found: the whole set of endpoints as it is now, not a difference.
public struct Resolution: Sendable, Hashable {
  /// Every endpoint that calls may go to. Empty when the name exists no more or has no addresses: connections that still
  /// work keep serving, and calls fail with `note` once they are gone.
  public var endpoints: [Endpoint]
  /// The service config that came with the answer, as JSON text; nil when there was none.
  public var serviceConfigJSON: String?
  /// For error messages and logs: where this came from, and why it is empty where it is ("NXDOMAIN from 10.0.0.10").
  public var note: String

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

/// Finds the endpoints behind a target, and goes on finding them as they change.
///
/// A resolver of your own: conform a class or an actor to this and a factory to `ResolverFactory`, and give the factory to
/// the channel's `ResolverRegistry`.
///
/// The rules:
/// - `run` is called once. It publishes at least once, soon (an error is an answer), and again whenever something changes;
///   it returns or throws only when it is cancelled or can't go on. A `run` that throws, or returns early, is called
///   again by the channel after its backoff (1 s, x1.6, at most 120 s): it never kills the channel.
/// - `publish` may be called on any task, from one at a time; later updates replace earlier ones. It returns whether the
///   channel could use the update: on false (no endpoint, a bad service config) a resolver that polls should back off.
/// - `resolveNow` is a hint that an address has just failed or gone away. It must not block; it may be called on any
///   thread, very often, before `run` and after its end. The resolver limits its own rate.
/// - Nothing here runs on a call's path: calls read what the channel last published.
public protocol Resolver: AnyObject, Sendable {
  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws
  func resolveNow()

  /// Whether a request to `resolveNow` is answered by a fresh update within a second. The channel then waits for it, after
  /// it has lost its last connection, before it connects to the same address again, which may be gone. False by default.
  var answersResolveNow: Bool { get }
}

extension Resolver {
  public var answersResolveNow: Bool { false }
}

/// Makes resolvers for the targets of one scheme.
public protocol ResolverFactory: Sendable {
  /// Lower case, without the colon.
  var scheme: String { get }

  /// - Throws: `TargetError` when this target can't be resolved by this scheme, whatever happens.
  func makeResolver(for target: Target) throws -> any Resolver

  /// The `:authority` of calls to this target, and the name that TLS checks; the endpoint's text by default.
  func defaultAuthority(for target: Target) -> String
}

extension ResolverFactory {
  public func defaultAuthority(for target: Target) -> String { target.endpoint }
}

/// The resolvers that a channel knows, by scheme: a value, given to the channel in its options.
public struct ResolverRegistry: Sendable {
  private var factories: [String: any ResolverFactory] = [:]

  public init(_ factories: [any ResolverFactory] = []) {
    for factory in factories { register(factory) }
  }

  /// A later factory for the same scheme replaces the earlier one.
  public mutating func register(_ factory: any ResolverFactory) { factories[factory.scheme] = factory }

  public subscript(scheme: String) -> (any ResolverFactory)? { factories[scheme] }

  public var schemes: [String] { factories.keys.sorted() }
}
