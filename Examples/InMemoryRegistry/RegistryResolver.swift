import Volery

/// `registry:///orders`: the endpoints that a `Registry` has for a name. All that a resolver of one's own needs.
struct RegistryResolverFactory: ResolverFactory {
  let scheme = "registry"
  let registry: Registry

  /// Called once for each channel to a target; what can never work is said here.
  func makeResolver(for target: Target) throws -> any Resolver {
    guard !target.endpoint.contains("/") else {
      throw StatusError(.invalidArgument, "\"\(target.endpoint)\" is not the name of a service")
    }
    return RegistryResolver(name: target.endpoint, registry: registry)
  }
}

final class RegistryResolver: Resolver {
  private let name: String
  private let registry: Registry

  init(name: String, registry: Registry) {
    self.name = name
    self.registry = registry
  }

  /// Runs as long as the channel is awake. Each answer is the whole set, an empty one too: calls then fail with the note.
  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    for await endpoints in registry.watch(name) {
      let note = endpoints.isEmpty ? "nobody has registered as \(name)" : "\(endpoints.count) registered as \(name)"
      _ = publish(.resolved(Resolution(endpoints: endpoints, note: note)))
    }
  }

  /// The registry tells of changes by itself: a hint that something may have changed is nothing new.
  func resolveNow(_ cause: ResolveCause) {}
}
