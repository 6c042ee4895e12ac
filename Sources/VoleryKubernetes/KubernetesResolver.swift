import Logging
import Synchronization
import VoleryNameResolution
import VoleryPrimitives
import VoleryTypes

/// One channel's view of a Service.
final class KubernetesResolver: Resolver {
  /// What waits for the resolver's own task: the newest of each.
  private struct Mail: Sendable {
    var slices: SliceState?
    var dns: ResolverUpdate?
    var isLate = false
  }

  private let address: ServiceAddress
  private let slices: SharedSlices
  /// Nil: DNS is not asked.
  private let dns: (@Sendable (Target) throws -> any Resolver)?
  private let logger: Logger
  private let mail = Mutex(Mail())
  private let asked = Mutex<(any Resolver)?>(nil)

  /// DNS is asked after this, though the API server may still answer: calls wait.
  private static let patience = Duration.seconds(2)

  init(
    _ address: ServiceAddress, slices: SharedSlices, dns: (@Sendable (Target) throws -> any Resolver)?, logger: Logger
  ) {
    self.address = address
    self.slices = slices
    self.dns = dns
    self.logger = logger
  }

  /// The API server tells by itself; DNS does not.
  func resolveNow(_ cause: ResolveCause) { asked.withLock { $0 }?.resolveNow(cause) }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    @Sendable func put(_ change: (inout Mail) -> Void) {
      mail.withLock { change(&$0) }
      signal.yield()
    }
    let id = slices.add { state in put { $0.slices = state } }
    let patience = Task {
      try? await Task.sleep(for: KubernetesResolver.patience)
      put { $0.isLate = true }
    }
    var asking: Task<Void, Never>?
    defer {
      slices.remove(id)
      patience.cancel()
      asking?.cancel()
      asked.withLock { $0 = nil }
      mail.withLock { $0 = Mail() }
    }
    var choice = AnswerChoice(usesDNS: dns != nil)
    var namespace = "default"
    for await _ in signals {
      let taken = mail.withLock { mail in
        defer { mail = Mail() }
        return mail
      }
      if let state = taken.slices, !state.namespace.isEmpty { namespace = state.namespace }
      for action in decide(taken, &choice) {
        switch action {
        case .publish(let update): _ = publish(update)
        case .startDNS: asking = ask(address.dnsTarget(namespace: namespace)) { update in put { $0.dns = update } }
        case .stopDNS:
          asking?.cancel()
          asked.withLock { $0 = nil }
        case .warn(let text): logger.warning("\(String(line: text))", metadata: ["service": "\(address.host)"])
        case .inform(let text): logger.info("\(text)", metadata: ["service": "\(address.host)"])
        }
      }
    }
  }

  private func decide(_ mail: Mail, _ choice: inout AnswerChoice) -> [AnswerChoice.Action] {
    var actions: [AnswerChoice.Action] = []
    if let state = mail.slices {
      if let slices = state.slices {
        var resolution = slices.resolution(port: address.port, of: "\(state.namespace)/\(address.service)")
        resolution.note += ", by \(state.server)"
        actions += choice.answered(resolution, failure: state.failure?.text)
      } else if let failure = state.failure {
        actions += choice.failed(failure.text)
      }
    }
    if mail.isLate { actions += choice.isLate() }
    if let update = mail.dns { actions += choice.dnsSaid(update) }
    return actions
  }

  private func ask(_ target: Target, _ hear: @escaping @Sendable (ResolverUpdate) -> Void) -> Task<Void, Never>? {
    do {
      guard let resolver = try dns?(target) else { return nil }
      asked.withLock { $0 = resolver }
      return Task {
        do {
          try await resolver.run { update in
            hear(update)
            if case .resolved(let resolution) = update { return !resolution.endpoints.isEmpty }
            return false
          }
        } catch {
          if !Task.isCancelled { hear(.failed(StatusError(.unavailable, "\(error)"))) }
        }
      }
    } catch {
      hear(.failed(StatusError(.unavailable, "\(error)")))
      return nil
    }
  }
}
