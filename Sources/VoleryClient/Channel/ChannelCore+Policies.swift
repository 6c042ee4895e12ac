import Logging
import Synchronization
import VoleryLoadBalancing
import VoleryNameResolution
import VoleryObservation
import VoleryPrimitives
import VoleryTypes

/// What a channel's calls go by: its service config, its policies, and what the resolver has said.
struct ChannelBalancing {
  /// Set once the channel is made.
  var policies: GracefulSwitch<PolicyDriver>!
  var choice: ServiceConfigChoice
  var serviceConfig: ServiceConfig
  /// Set while no service config holds (gRFC A21).
  var configFailure: StatusError?
  var hasResolved = false
  /// Of the last resolution.
  var attributes = Attributes()

  /// What the resolver has said since the channel woke.
  enum Heard: Int { case nothing, failure, answer }
  private var heard = Heard.nothing
  /// It has become known what holds for calls, and calls don't know yet.
  private(set) var hasConfigurationNews = false
  /// The picker since which they do.
  private(set) var configuredAt: PickerGeneration?

  init(fallback: ServiceConfig) {
    serviceConfig = fallback
    choice = ServiceConfigChoice(fallback: fallback)
  }

  mutating func forgetResolution() {
    hasResolved = false
    configFailure = nil
    attributes = Attributes()
    heard = .nothing
    hasConfigurationNews = false
    configuredAt = nil
  }

  /// It has answered since the channel woke, and policies have been told.
  var hasAnswer: Bool { heard == .answer && configFailure == nil }

  mutating func hear(_ said: Heard) {
    guard said.rawValue > heard.rawValue else { return }
    heard = said
    hasConfigurationNews = true
  }

  mutating func published(_ generation: PickerGeneration) {
    guard hasConfigurationNews else { return }
    hasConfigurationNews = false
    configuredAt = generation
  }
}

// What the resolver says, and what follows for the policies: in the control plane.
extension ChannelCore {
  // MARK: What the resolver says

  func resolverSaid(_ update: ResolverDriver.Update) {
    let now = clock.now()
    switch update {
    case .resolved(let resolved):
      report.resolver.withLock { $0.resolved(resolved.resolution, at: now) }
      dataPlane.observe(.resolved(endpoints: resolved.resolution.endpoints))
      adopt(resolved.serviceConfig)
      give(resolved.resolution)
    case .failed(let error):
      balancing.hear(.failure)
      report.resolver.withLock { $0.failed(error, at: now) }
      dataPlane.observe(.resolutionFailed(error))
      log.resolverFailed(error, isKept: balancing.hasResolved)
      // Whoever has an earlier answer keeps it.
      if !balancing.hasResolved { newestPolicy.run { $0.resolverFailed(error, &$1) } }
    }
    endHold()
    if balancing.hasConfigurationNews { publish() }
  }

  /// What calls use.
  var policy: PolicyDriver { balancing.policies.current }
  /// What is to serve, be it that it can't yet.
  var newestPolicy: PolicyDriver { balancing.policies.newest }
  var serviceConfig: ServiceConfig { balancing.serviceConfig }

  func give(_ resolution: Resolution) {
    let selector = balancing.attributes.configSelector
    balancing.attributes = resolution.attributes
    balancing.hear(.answer)
    guard balancing.configFailure == nil else { return publish() }
    if !resolution.endpoints.isEmpty { balancing.hasResolved = true }
    log.resolved(resolution, policy: newestPolicy.choice.name)
    for driver in balancing.policies.all { driver.update(resolution.endpoints) }
    if selector !== resolution.attributes.configSelector { publish() }
  }

  /// gRFC A21: what the resolver says of the service config.
  func adopt(_ result: Result<ServiceConfig?, ServiceConfigError>) {
    // Policies that are made to try a config look at the rest of it.
    var choice = balancing.choice
    let verdict = choice.received(result) { (config) throws(ServiceConfigError) in
      do { _ = try makePolicy(for: config) } catch { throw ServiceConfigError("\(error)") }
    }
    balancing.choice = choice
    switch verdict {
    case .use(let config):
      log.accepted()
      balancing.configFailure = nil
      guard config != serviceConfig else { return }
      let asksOther = config.healthCheckService != serviceConfig.healthCheckService
      balancing.serviceConfig = config
      if asksOther {
        for driver in balancing.policies.all { driver.healthServiceChanged() }
      }
      dataPlane.retryThrottle.configure(config.retryThrottling)
      switchPolicy(to: config)
      publish()
    case .keep(let error): _ = refused(error)
    case .fail(let error): balancing.configFailure = refused(error)
    }
  }

  /// - Returns: What calls fail with where nothing else holds.
  private func refused(_ error: ServiceConfigError) -> StatusError {
    log.refused(error)
    let text = "the resolver's service config is refused: \(String(line: "\(error)"))"
    let refusal = StatusError(.unavailable, text)
    dataPlane.observe(.resolutionFailed(refusal))
    return refusal
  }

  // MARK: Policies

  func makePolicy(for config: ServiceConfig) throws -> PolicyDriver {
    let registry = options.loadBalancingPolicies
    let known = registry.names.joined(separator: ", ")
    let choice: ServiceConfig.LoadBalancingChoice
    if config.loadBalancing.isEmpty {
      choice = ServiceConfig.LoadBalancingChoice(name: options.loadBalancingPolicy)
    } else if let found = config.loadBalancing.first(where: { registry[$0.name] != nil }) {
      choice = found
    } else {
      let names = config.loadBalancing.map { "\"\($0.name)\"" }.joined(separator: ", ")
      throw PolicyConfigurationError("none of the load balancing policies \(names) is known; known are: \(known)")
    }
    guard let factory = registry[choice.name] else {
      throw PolicyConfigurationError("unknown load balancing policy \"\(choice.name)\"; known are: \(known)")
    }
    let context = PolicyContext(registry: registry, now: clock.now, random: clock.randomBits)
    return PolicyDriver(
      try factory.makePolicy(configuration: choice.configuration, context: context), choice: choice, core: self)
  }

  /// Of subchannels whose policies want to know.
  var healthMode: HealthGate.Mode {
    guard options.checksHealth else { return .off }
    return serviceConfig.healthCheckService == nil ? .advice : .required
  }

  /// The policy that serves takes over its own new configuration, or goes on until the new one can. The list follows.
  func switchPolicy(to config: ServiceConfig) {
    guard let fresh = try? makePolicy(for: config), fresh.choice != newestPolicy.choice else { return }
    if newestPolicy.adopt(fresh) { return }
    balancing.policies.giveUpNext()?.stop()
    guard fresh.choice != policy.choice else { return }
    if balancing.hasResolved {
      _ = balancing.policies.begin(fresh)
    } else {
      for old in balancing.policies.replace(with: fresh) { old.stop() }
    }
  }

  /// A policy has published, or its connections have changed.
  func policyChanged(_ driver: PolicyDriver) {
    if let old = balancing.policies.settle(\.state) {
      old.stop()
      publish()
    } else if driver === policy {
      publish()
    }
    dataPlane.callReports.setWanted(balancing.policies.all.contains(where: \.observesCalls))
  }

  func giveCallReports() {
    let reports = dataPlane.callReports.take()
    for driver in balancing.policies.all { driver.callsEnded(reports) }
  }

  func resolutionAnswered() {
    for driver in balancing.policies.all { driver.resolutionAnswered() }
  }
}
