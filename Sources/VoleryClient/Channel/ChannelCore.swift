import Logging
import Synchronization
import VoleryLoadBalancing
package import VoleryNameResolution
import VoleryObservation
import VoleryPrimitives
package import VoleryTransport
import VoleryTypes

/// A channel's control plane: takes resolver updates, policy decisions and what happens to connections, one after another
/// on one loop, and publishes what calls need as an immutable snapshot that they read from any thread.
///
/// This file has its life and what the resolver says; `ChannelCore+Calls` what calls ask, `ChannelCore+Connections` what
/// happens to connections.
package final class ChannelCore: @unchecked Sendable {
  package let target: Target
  package let options: ChannelOptions
  /// The `:authority` of calls.
  package let authority: String
  let connector: any ClientConnector
  package let loop: any TransportLoop
  let clock: ChannelClock

  // Any thread.
  package let dataPlane: DataPlane
  let report = Mutex(ResolverReport())
  let attempts = Mutex(AttemptReport())
  package let connectivity = ConnectivityTracker()

  // In the control plane.
  private let resolverFactory: any ResolverFactory
  var resolver: ResolverDriver?
  private(set) var policy: PolicyDriver!
  /// Replaces `policy` once it can serve, or once that can't (a graceful switch).
  private var nextPolicy: PolicyDriver?
  private var configChoice: ServiceConfigChoice
  private(set) var serviceConfig: ServiceConfig
  /// Set while no service config holds (gRFC A21).
  private var configFailure: StatusError?
  private var snapshot: PublishedPicker
  private var hasResolved = false
  private var startLog: ChannelLog
  private var lastSubchannelID = 0
  var openConnections: [ObjectIdentifier: ChannelConnection] = [:]
  var hold: (any TransportTimer)?
  var retryTimer: (any TransportTimer)?
  private var idleTimer: (any TransportTimer)?
  private var resolverRetry: (any TransportTimer)?
  private var isClosed = false
  private var closesWhenQuiet = false
  /// While calls run that nobody holds a channel for any more.
  private var ownReference: ChannelCore?
  private var drainWaiters: [CheckedContinuation<Void, Never>] = []
  private var drainTimer: (any TransportTimer)?

  /// - Throws: What can't ever work: no resolver for the scheme, a name that can't be read, an unknown policy.
  package init(
    target: Target, options: ChannelOptions, connector: any ClientConnector, loop: any TransportLoop,
    clock: ChannelClock = .system
  ) throws(TargetError) {
    guard let factory = options.resolvers[target.scheme] else {
      throw TargetError("no resolver for the scheme \"\(target.scheme)\"")
    }
    self.target = target
    self.options = options
    self.connector = connector
    self.loop = loop
    self.clock = clock
    resolverFactory = factory
    authority = options.authority ?? URIText.authority(factory.defaultAuthority(for: target))
    serviceConfig = options.serviceConfig
    configChoice = ServiceConfigChoice(fallback: options.serviceConfig)
    startLog = ChannelLog(target: target, logger: options.logger)
    snapshot = PublishedPicker(
      picker: QueueingPicker(), state: .idle, generation: .first, serviceConfig: options.serviceConfig, isIdle: true)
    dataPlane = DataPlane(
      options: options, target: "\(target)", authority: authority, loop: loop, clock: clock, snapshot: snapshot)
    dataPlane.control = self
    do {
      policy = try makePolicy(for: options.serviceConfig)
      _ = try factory.makeResolver(for: target)
    } catch {
      throw TargetError("\(error)")
    }
    dataPlane.retryThrottle.configure(options.serviceConfig.retryThrottling)
    dataPlane.observe(.created)
  }

  // MARK: Waking

  func exitIdle() {
    guard !isClosed else { return }
    if snapshot.isIdle { dataPlane.activity.touch() }
    if resolver != nil { return policy.run { $0.exitIdle(&$1) } }
    do {
      let made = ResolverDriver(try resolverFactory.makeResolver(for: target), loop: loop, clock: clock) {
        [weak self] in self?.resolverSaid($0)
      }
      resolver = made
      report.withLock { $0.started(at: clock.now()) }
      publish()
      made.start()
    } catch {
      publish(failure: StatusError(.unavailable, "the resolver can't be made: \(error)"))
      resolverRetry = loop.scheduleTimer(after: .seconds(1)) { [weak self] in self?.exitIdle() }
    }
    scheduleIdleCheck(after: options.idleTimeout)
  }

  private func scheduleIdleCheck(after delay: Duration) {
    idleTimer?.cancel()
    idleTimer = loop.scheduleTimer(after: max(delay, .milliseconds(1))) { [weak self] in
      guard let self else { return }
      let left = options.idleTimeout - dataPlane.activity.quietTime
      if left > .zero { scheduleIdleCheck(after: left) } else { enterIdle() }
    }
  }

  /// Lets go of resolver and connections until the next call.
  func enterIdle() {
    guard !isClosed, !snapshot.isIdle else { return }
    letGo()
    if let fresh = try? makePolicy(for: serviceConfig) { policy = fresh }
    publish(isIdle: true)
  }

  private func letGo() {
    resolver?.stop()
    resolver = nil
    hasResolved = false
    configFailure = nil
    policy.stop()
    nextPolicy?.stop()
    nextPolicy = nil
    hold.take()?.cancel()
    retryTimer.take()?.cancel()
    idleTimer.take()?.cancel()
    resolverRetry.take()?.cancel()
  }

  func resetBackoff() {
    policy.resetBackoff()
    nextPolicy?.resetBackoff()
    resolver?.resolveNow(.requested)
  }

  // MARK: Ending

  /// Takes no more calls; those that run finish.
  func close() {
    guard !isClosed else { return }
    letGo()
    isClosed = true
    ownReference = nil
    dataPlane.refusesCalls.store(true, ordering: .relaxed)
    drainTimer.take()?.cancel()
    publish()
    dataPlane.observe(.closed)
    for waiter in drainWaiters { waiter.resume() }
    drainWaiters = []
  }

  /// Nobody holds the channel any more: closes as soon as its calls have ended.
  func released() {
    closesWhenQuiet = true
    ownReference = self
    dataPlane.activity.watch()
    becameQuiet()
  }

  /// Takes no more calls, closes when those that run, and those that still wait for a connection, have ended.
  ///
  /// - Parameters:
  ///   - limit: What runs longer ends with UNAVAILABLE.
  ///   - waiter: Resumed at the end.
  func drain(limit: Duration, _ waiter: CheckedContinuation<Void, Never>) {
    guard !isClosed else { return waiter.resume() }
    drainWaiters.append(waiter)
    closesWhenQuiet = true
    dataPlane.refusesCalls.store(true, ordering: .relaxed)
    dataPlane.activity.watch()
    if drainTimer == nil {
      drainTimer = loop.scheduleTimer(after: limit) { [weak self] in
        guard let self else { return }
        for connection in openConnections.values { connection.close(reason: "the channel was closed") }
        close()
      }
    }
    becameQuiet()
  }

  func becameQuiet() {
    if closesWhenQuiet, dataPlane.activity.count == 0 { close() }
  }

  // MARK: What the resolver says

  private func resolverSaid(_ update: ResolverDriver.Update) {
    let now = clock.now()
    switch update {
    case .resolved(let resolved):
      report.withLock { $0.resolved(resolved.resolution, at: now) }
      dataPlane.observe(.resolved(endpoints: resolved.resolution.endpoints))
      adopt(resolved.serviceConfig)
      give(resolved.resolution)
    case .failed(let error):
      report.withLock { $0.failed(error, at: now) }
      dataPlane.observe(.resolutionFailed(error))
      startLog.resolverFailed(error, isKept: hasResolved)
      // Whoever has an earlier answer keeps it.
      if !hasResolved { newestPolicy.run { $0.resolverFailed(error, &$1) } }
    }
    endHold()
  }

  var newestPolicy: PolicyDriver { nextPolicy ?? policy }

  private func give(_ resolution: Resolution) {
    guard configFailure == nil else { return publish() }
    if !resolution.endpoints.isEmpty { hasResolved = true }
    startLog.resolved(resolution, policy: newestPolicy.choice.name)
    for driver in [policy, nextPolicy].compactMap({ $0 }) {
      driver.run { policy, effects in _ = policy.update(resolution.endpoints, &effects) }
    }
  }

  /// gRFC A21: what the resolver says of the service config.
  private func adopt(_ result: Result<ServiceConfig?, ServiceConfigError>) {
    let verdict = configChoice.received(result) { (config) throws(ServiceConfigError) in
      do { _ = try makePolicy(for: config) } catch { throw ServiceConfigError("\(error)") }
    }
    switch verdict {
    case .use(let config):
      configFailure = nil
      guard config != serviceConfig else { return }
      let asksOther = config.healthCheckService != serviceConfig.healthCheckService
      serviceConfig = config
      if asksOther {
        for driver in [policy, nextPolicy].compactMap({ $0 }) { driver.healthServiceChanged() }
      }
      dataPlane.retryThrottle.configure(config.retryThrottling)
      switchPolicy(to: config)
      publish()
    case .keep(let error):
      refused(error)
    case .fail(let error):
      refused(error)
      configFailure = StatusError(.unavailable, "the resolver's service config is refused: \(String(line: "\(error)"))")
    }
  }

  private func refused(_ error: ServiceConfigError) {
    startLog.refused(error)
    dataPlane.observe(
      .resolutionFailed(StatusError(.unavailable, "the resolver's service config is refused: \(error)")))
  }

  // MARK: Policies

  private func makePolicy(for config: ServiceConfig) throws -> PolicyDriver {
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

  func healthMode(for policy: any LoadBalancingPolicy) -> HealthGate.Mode {
    guard options.checksHealth, policy.usesHealthChecks else { return .off }
    return serviceConfig.healthCheckService == nil ? .advice : .required
  }

  /// The policy that serves goes on until the new one can.
  private func switchPolicy(to config: ServiceConfig) {
    guard let fresh = try? makePolicy(for: config), fresh.choice != newestPolicy.choice else { return }
    nextPolicy?.stop()
    nextPolicy = nil
    guard fresh.choice != policy.choice else { return }
    if hasResolved {
      nextPolicy = fresh
    } else {
      policy.stop()
      policy = fresh
    }
  }

  /// A policy has published, or its connections have changed.
  func policyChanged(_ driver: PolicyDriver) {
    if let nextPolicy, nextPolicy.state != .connecting || policy.state != .ready {
      policy.stop()
      policy = nextPolicy
      self.nextPolicy = nil
      publish()
    } else if driver === policy {
      publish()
    }
    dataPlane.callReports.setWanted(policy.observesCalls || nextPolicy?.observesCalls == true)
  }

  func giveCallReports() {
    let reports = dataPlane.callReports.take()
    policy.callsEnded(reports)
    nextPolicy?.callsEnded(reports)
  }

  func resolutionAnswered() {
    policy.resolutionAnswered()
    nextPolicy?.resolutionAnswered()
  }

  func nextSubchannelID() -> Int {
    lastSubchannelID += 1
    return lastSubchannelID
  }

  // MARK: Publishing

  /// Publishes what holds now, and wakes the calls that wait for it.
  func publish(isIdle: Bool = false, failure: StatusError? = nil) {
    let failure = isClosed ? ChannelCore.closed : failure ?? configFailure
    let state: ConnectivityState =
      isClosed ? .shutdown : isIdle ? .idle : failure != nil ? .transientFailure : policy.state
    snapshot = PublishedPicker(
      picker: failure.map { FailingPicker(error: $0) } ?? policy.picker, state: state,
      generation: snapshot.generation.next(), serviceConfig: serviceConfig, offers: policy.offers, isIdle: isIdle,
      awaitsResolution: hold != nil && !isClosed)
    // Who hears of the new state may call at once.
    dataPlane.publish(snapshot)
    if connectivity.current != state { dataPlane.observe(.stateChanged(state)) }
    connectivity.changed(to: state)
    scheduleRetry(isNeeded: !isIdle && !isClosed && policy.state == .transientFailure)
  }

  /// A call's picker named a subchannel that has no connection.
  func connect(_ id: Int) { policy.connect(id) }

  static let closed = StatusError(.unavailable, "the channel is closed")
}
