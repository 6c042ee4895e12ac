import VoleryNameResolution
import VoleryTransport
import VoleryTypes

/// Runs a channel's resolver, and runs it again when it gives up: whatever a resolver does, the channel lives on. In the
/// channel's control plane.
final class ResolverDriver: @unchecked Sendable {
  private let resolver: any Resolver
  private let loop: any TransportLoop
  private let updated: @Sendable (ResolverUpdate) -> Void
  private var task: Task<Void, Never>?

  init(_ resolver: any Resolver, loop: any TransportLoop, updated: @escaping @Sendable (ResolverUpdate) -> Void) {
    self.resolver = resolver
    self.loop = loop
    self.updated = updated
  }

  func start() {
    task = Task { [resolver, updated] in
      var backoff = Backoff()
      while !Task.isCancelled {
        let started = ContinuousClock.now
        do {
          try await resolver.run { update in
            updated(update)
            return ResolverDriver.isUsable(update)
          }
          if Task.isCancelled { return }
          updated(.failed(StatusError(.unavailable, "the resolver has stopped")))
        } catch {
          if Task.isCancelled { return }
          updated(.failed(error as? StatusError ?? StatusError(.unavailable, "the resolver has failed: \(error)")))
        }
        if started.duration(to: .now) > .seconds(120) { backoff.reset() }
        try? await Task.sleep(for: backoff.failed())
      }
    }
  }

  /// A resolver that polls backs off after an answer that nobody can use.
  private static func isUsable(_ update: ResolverUpdate) -> Bool {
    guard case .resolved(let resolution) = update else { return false }
    return !resolution.endpoints.isEmpty
  }

  func resolveNow() { resolver.resolveNow() }

  func stop() { task?.cancel() }
}
