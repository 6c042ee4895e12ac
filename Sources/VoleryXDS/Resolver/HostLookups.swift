import Synchronization
import VoleryNameResolution
package import VoleryTypes

/// What is known of a host's addresses.
package enum HostView: Equatable, Sendable {
  case waiting
  case known([SocketAddress])
  case failed(StatusError)
}

/// The names of LOGICAL_DNS clusters that a channel wants (gRFC A37), each looked up by a resolver that goes on looking. Any thread.
final class HostLookups: Sendable {
  private struct Lookup {
    var view = HostView.waiting
    var resolver: (any Resolver)?
    var task: Task<Void, Never>?
  }

  private let state = Mutex<[String: Lookup]>([:])
  private let resolvers: ResolverRegistry
  private let signal: AsyncStream<Void>.Continuation
  /// One logical server has no more addresses than this; those after it are not used.
  private static let maxAddresses = 1000

  /// - Parameter signal: Yields when what is known may have changed.
  init(_ resolvers: ResolverRegistry, signal: AsyncStream<Void>.Continuation) {
    self.resolvers = resolvers
    self.signal = signal
  }

  func view(_ host: String) -> HostView { state.withLock { $0[host]?.view ?? .waiting } }

  /// Exactly these are wanted from now on, each as `host:port`.
  func want(_ hosts: Set<String>) {
    state.withLock { state in
      for (host, lookup) in state where !hosts.contains(host) {
        lookup.task?.cancel()
        state[host] = nil
      }
      for host in hosts where state[host] == nil { state[host] = begin(host) }
    }
  }

  func resolveNow(_ cause: ResolveCause) {
    for resolver in state.withLock({ $0.values.compactMap(\.resolver) }) { resolver.resolveNow(cause) }
  }

  private func begin(_ host: String) -> Lookup {
    do {
      guard let factory = resolvers["dns"] else { throw StatusError(.unavailable, "no resolver is for dns:") }
      let resolver = try factory.makeResolver(for: Target(scheme: "dns", endpoint: host))
      let task = Task { [weak self] in
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
          do {
            try await resolver.run { [weak self] in self?.heard($0, of: host) ?? false }
          } catch {
            _ = self?.heard(.failed(StatusError(.unavailable, "\(error)")), of: host)
          }
          try? await Task.sleep(for: pause)
          pause = min(pause * 1.6, .seconds(120))
        }
      }
      return Lookup(resolver: resolver, task: task)
    } catch {
      return Lookup(view: .failed(failure(host, "\(error)")))
    }
  }

  private func heard(_ update: ResolverUpdate, of host: String) -> Bool {
    let isUsable = state.withLock { state in
      guard let old = state[host]?.view else { return false }
      switch update {
      case .resolved(let resolution):
        let addresses = resolution.endpoints.flatMap(\.addresses).prefix(HostLookups.maxAddresses)
        guard addresses.isEmpty else {
          state[host]?.view = .known(Array(addresses))
          return true
        }
        state[host]?.view = .failed(failure(host, resolution.note))
        return false
      case .failed(let error):
        // What was found last holds.
        if case .known = old { return false }
        state[host]?.view = .failed(failure(host, error.message))
        return false
      }
    }
    signal.yield()
    return isUsable
  }

  private func failure(_ host: String, _ text: String) -> StatusError {
    StatusError(.unavailable, "xds: the host \(XDSResourceError.quote(host)): \(text)")
  }
}
