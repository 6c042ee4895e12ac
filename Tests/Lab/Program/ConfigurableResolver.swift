import Synchronization
import Volery

/// The dns: resolver with a service config that the laboratory changes, and a way to die.
final class ConfigurableResolverFactory: ResolverFactory {
  let scheme = "dns"
  private let inner: DNSResolverFactory
  private let throwsAfter: Duration?
  private let resolvers = Mutex<[ConfigurableResolver]>([])

  init(inner: DNSResolverFactory, throwsAfter: Duration?) {
    self.inner = inner
    self.throwsAfter = throwsAfter
  }

  func makeResolver(for target: Target) throws -> any Resolver {
    let resolver = ConfigurableResolver(try inner.makeResolver(for: target), throwsAfter: throwsAfter)
    resolvers.withLock { $0.append(resolver) }
    return resolver
  }

  func defaultAuthority(for target: Target) -> String { inner.defaultAuthority(for: target) }

  func publish(_ json: String) {
    for resolver in resolvers.withLock({ $0 }) { resolver.publish(json) }
  }
}

final class ConfigurableResolver: Resolver {
  struct Crash: Error {}

  private struct State: Sendable {
    var json: String?
    var last: Resolution?
    var publish: (@Sendable (ResolverUpdate) -> Bool)?
  }

  private let inner: any Resolver
  private let throwsAfter: Duration?
  private let state = Mutex(State())

  init(_ inner: any Resolver, throwsAfter: Duration?) {
    self.inner = inner
    self.throwsAfter = throwsAfter
  }

  func publish(_ json: String) {
    let state = state.withLock { state in
      state.json = json
      return state
    }
    guard var resolution = state.last else { return }
    resolution.serviceConfigJSON = json
    _ = state.publish?(.resolved(resolution))
  }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    state.withLock { $0.publish = publish }
    guard let throwsAfter else { return try await inner.run { [self] in publish(configured($0)) } }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [self] in try await inner.run { publish(self.configured($0)) } }
      group.addTask {
        try await Task.sleep(for: throwsAfter)
        throw Crash()
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func configured(_ update: ResolverUpdate) -> ResolverUpdate {
    guard case .resolved(var resolution) = update else { return update }
    state.withLock { state in
      state.last = resolution
      if let json = state.json { resolution.serviceConfigJSON = json }
    }
    return .resolved(resolution)
  }

  func resolveNow(_ cause: ResolveCause) { inner.resolveNow(cause) }

  var answersResolveNow: Bool { inner.answersResolveNow }
}
