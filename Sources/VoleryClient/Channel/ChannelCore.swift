import Logging
import Synchronization
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryLoadBalancing
import VoleryNameResolution
import VoleryTransport
import VoleryTypes

/// What a call learns when it asks for a connection.
enum PickOutcome {
  /// The subchannel has counted the call.
  case connection(any ClientConnection, Subchannel)
  /// Nothing is ready: wait for a newer picker than this.
  case wait(PickerGeneration)
  case fail(StatusError)
  case drop(StatusError)
}

/// Somebody who waits for the next picker.
protocol PickWaiter: AnyObject, Sendable {
  func pickerChanged()
}

/// A channel's control plane: takes resolver updates, policy decisions and what happens to connections, one after another
/// on one event loop, and publishes what calls need as an immutable snapshot that they read from any thread.
final class ChannelCore: @unchecked Sendable {
  let target: Target
  let options: ChannelOptions
  let authority: String
  let connector: any ClientConnector
  let loop: any TransportLoop

  // Any thread.
  private let published: StripedValue<PublishedPicker>
  private let waiters = Mutex<[ObjectIdentifier: any PickWaiter]>([:])
  private let activeCalls = Atomic<Int>(0)
  let retryThrottle = RetryThrottle()
  private let report = Mutex(ResolverReport())
  let connectivity: ConnectivityTracker

  // In the control plane.
  private let resolverFactory: any ResolverFactory
  private var resolver: ResolverDriver?
  private var policy: any LoadBalancingPolicy
  private var policyChoice: ServiceConfig.LoadBalancingChoice
  private var subchannels: [Int: (driver: SubchannelDriver, subchannel: Subchannel)] = [:]
  private var nextSubchannelID = 0
  private var timers: [Int: any TransportTimer] = [:]
  private var snapshot: PublishedPicker
  private var serviceConfig: ServiceConfig
  private var hasResolved = false
  private var hasLoggedStart = false
  private var isClosed = false
  private var holdTimer: (any TransportTimer)?
  private var idleTimer: (any TransportTimer)?

  /// How long calls wait for the look-up that a lost connection has caused.
  private static let holdLimit = Duration.seconds(1)

  init(target: Target, options: ChannelOptions, connector: any ClientConnector, loop: any TransportLoop)
    throws(TargetError)
  {
    guard let factory = options.resolvers[target.scheme] else {
      throw TargetError("no resolver for the scheme \"\(target.scheme)\"")
    }
    self.target = target
    self.options = options
    self.connector = connector
    self.loop = loop
    resolverFactory = factory
    authority = options.authority ?? factory.defaultAuthority(for: target)
    serviceConfig = options.serviceConfig
    policyChoice = ChannelCore.choice(options.serviceConfig, options)
    do {
      policy = try ChannelCore.makePolicy(policyChoice, options)
      _ = try factory.makeResolver(for: target)  // What can't ever work is said now, not at the first call.
    } catch {
      throw TargetError("\(error)")
    }
    snapshot = PublishedPicker(
      picker: QueueingPicker(), state: .idle, generation: .first, serviceConfig: options.serviceConfig,
      connections: [:],
      isIdle: true, awaitsResolution: false, observesCalls: false)
    published = StripedValue(snapshot)
    connectivity = ConnectivityTracker()
    retryThrottle.configure(options.serviceConfig.retryThrottling)
  }

  private static func choice(_ config: ServiceConfig, _ options: ChannelOptions) -> ServiceConfig.LoadBalancingChoice {
    config.loadBalancing.first { options.loadBalancingPolicies[$0.name] != nil }
      ?? ServiceConfig.LoadBalancingChoice(name: options.loadBalancingPolicy)
  }

  private static func makePolicy(
    _ choice: ServiceConfig.LoadBalancingChoice, _ options: ChannelOptions
  ) throws -> any LoadBalancingPolicy {
    guard let factory = options.loadBalancingPolicies[choice.name] else {
      let known = options.loadBalancingPolicies.names.joined(separator: ", ")
      throw PolicyConfigurationError("unknown load balancing policy \"\(choice.name)\"; known are: \(known)")
    }
    return try factory.makePolicy(
      configuration: choice.configuration, context: PolicyContext(registry: options.loadBalancingPolicies))
  }

  // MARK: For calls, on any thread

  func pick(_ request: PickRequest, waitForReady: Bool) -> PickOutcome {
    let snapshot = published.current
    guard !snapshot.isIdle else {
      loop.execute { [self] in exitIdle() }
      return .wait(snapshot.generation)
    }
    switch snapshot.picker.pick(for: request) {
    case .pick(let subchannel):
      guard let connection = snapshot.connections[subchannel.id] else { return .wait(snapshot.generation) }
      subchannel.callStarted()
      return .connection(connection, subchannel)
    case .queue:
      if snapshot.state == .idle { loop.execute { [self] in exitIdle() } }
      return .wait(snapshot.generation)
    case .fail(let error):
      if waitForReady || snapshot.awaitsResolution { return .wait(snapshot.generation) }
      return .fail(StatusError(error.code, "\(error.message); \(situation)"))
    case .drop(let error): return .drop(error)
    }
  }

  /// Calls `waiter.pickerChanged` once a picker newer than this is published: at once when it already is.
  func wait(for generation: PickerGeneration, _ waiter: any PickWaiter) {
    let isNewer = waiters.withLock { waiters in
      if published.current.generation > generation { return true }
      waiters[ObjectIdentifier(waiter)] = waiter
      return false
    }
    if isNewer { loop.execute { waiter.pickerChanged() } }
  }

  func cancelWait(_ waiter: any PickWaiter) {
    waiters.withLock { $0[ObjectIdentifier(waiter)] = nil }
  }

  func methodConfig(for method: MethodDescriptor) -> MethodConfig? { published.current.serviceConfig[method] }

  func callStarted() {
    activeCalls.add(1, ordering: .relaxed)
    retryThrottle.callStarted()
  }

  func callEnded() {
    if activeCalls.subtract(1, ordering: .relaxed).newValue == 0 { lastCallEnded.withLock { $0 = .now } }
  }

  private let lastCallEnded = Mutex(ContinuousClock.now)

  /// A picked call's attempt is over.
  func attemptEnded(_ subchannel: Subchannel, code: StatusCode, origin: StatusError.Origin, duration: Duration) {
    subchannel.callEnded(code: code, origin: origin)
    guard published.current.observesCalls else { return }
    let report = CallReport(subchannel: subchannel.id, code: code, origin: origin, duration: duration)
    loop.execute { [self] in run { $0.callsEnded([report], &$1) } }
  }

  /// For error messages: the target, and what the resolver last said and when.
  var situation: String { "target \(target), \(report.withLock { $0.description })" }

  // MARK: Waking and idling, in the control plane

  func exitIdle() {
    guard !isClosed else { return }
    if resolver != nil {
      run { $0.exitIdle(&$1) }
      return
    }
    do {
      let driver = ResolverDriver(try resolverFactory.makeResolver(for: target), loop: loop) { [weak self] update in
        guard let self else { return }
        loop.execute { self.resolved(update) }
      }
      resolver = driver
      publish(.connecting, QueueingPicker())
      driver.start()
    } catch {
      publish(.transientFailure, FailingPicker(error: StatusError(.unavailable, "\(error)")))
    }
    scheduleIdleCheck(after: options.idleTimeout)
  }

  private func scheduleIdleCheck(after delay: Duration) {
    idleTimer?.cancel()
    idleTimer = loop.scheduleTimer(after: delay) { [weak self] in
      guard let self else { return }
      let quiet = lastCallEnded.withLock { $0 }.duration(to: .now)
      if activeCalls.load(ordering: .relaxed) > 0 {
        scheduleIdleCheck(after: options.idleTimeout)
      } else if quiet >= options.idleTimeout {
        enterIdle()
      } else {
        scheduleIdleCheck(after: options.idleTimeout - quiet)
      }
    }
  }

  /// Lets go of resolver and connections until the next call.
  func enterIdle() {
    guard resolver != nil, !isClosed else { return }
    resolver?.stop()
    resolver = nil
    hasResolved = false
    for entry in subchannels.values { entry.driver.remove() }
    subchannels = [:]
    for timer in timers.values { timer.cancel() }
    timers = [:]
    if let fresh = try? ChannelCore.makePolicy(policyChoice, options) { policy = fresh }
    publish(.idle, QueueingPicker(), isIdle: true)
  }

  func close() {
    guard !isClosed else { return }
    enterIdle()
    isClosed = true
    idleTimer?.cancel()
    holdTimer?.cancel()
    publish(.shutdown, FailingPicker(error: StatusError(.unavailable, "the channel is closed")))
  }

  func resetBackoff() {
    for entry in subchannels.values { entry.driver.resetBackoff() }
    resolver?.resolveNow()
  }

  // MARK: What the resolver says

  private func resolved(_ update: ResolverUpdate) {
    guard !isClosed, resolver != nil else { return }
    switch update {
    case .resolved(let resolution):
      report.withLock { $0.resolved(resolution) }
      logStart(resolution)
      adopt(resolution.serviceConfigJSON)
      if !resolution.endpoints.isEmpty { hasResolved = true }
      run { policy, effects in _ = policy.update(resolution.endpoints, &effects) }
      if resolution.endpoints.isEmpty, !hasResolved {
        publish(.transientFailure, FailingPicker(error: StatusError(.unavailable, resolution.note)))
      }
    case .failed(let error):
      report.withLock { $0.failed(error) }
      if !hasResolved { run { $0.resolverFailed(error, &$1) } }
    }
    endHold()
  }

  private func adopt(_ json: String?) {
    guard let json else { return }
    do throws(ServiceConfigError) {
      serviceConfig = try ServiceConfig(json: json)
    } catch {
      options.logger.warning("the resolver's service config is refused", metadata: ["error": "\(error)"])
      return
    }
    retryThrottle.configure(serviceConfig.retryThrottling)
    let choice = ChannelCore.choice(serviceConfig, options)
    guard choice != policyChoice else { return }
    do {
      policy = try ChannelCore.makePolicy(choice, options)
      policyChoice = choice
      for entry in subchannels.values { entry.driver.remove() }
      subchannels = [:]
    } catch {
      options.logger.warning("the resolver's policy is refused", metadata: ["error": "\(error)"])
    }
  }

  private func logStart(_ resolution: Resolution) {
    guard !hasLoggedStart, !resolution.endpoints.isEmpty else { return }
    hasLoggedStart = true
    let addresses = resolution.endpoints.prefix(5).map(\.description).joined(separator: ", ")
    options.logger.info(
      "channel started",
      metadata: [
        "target": "\(target)", "policy": "\(policyChoice.name)", "endpoints": "\(resolution.endpoints.count)",
        "first": "\(addresses)",
      ])
    if target.scheme == "dns", resolution.endpoints.count == 1, resolution.note == "1 address" {
      options.logger.notice(
        "the name has one address; if this is a ClusterIP, all calls go to one pod: use a headless Service",
        metadata: ["target": "\(target)", "address": "\(addresses)"])
    }
  }

  /// An address could not be reached: it may be gone.
  func addressFailed() { resolver?.resolveNow() }

  /// A connection is gone: looks the name up at once, and lets calls that would fail wait for what comes of it.
  func connectionLost() {
    resolver?.resolveNow()
    holdTimer?.cancel()
    holdTimer = loop.scheduleTimer(after: ChannelCore.holdLimit) { [weak self] in self?.endHold() }
  }

  private func endHold() {
    guard holdTimer != nil else { return }
    holdTimer?.cancel()
    holdTimer = nil
    publish(snapshot.state, snapshot.picker)
  }

  // MARK: What happens to connections

  func subchannelChanged(_ id: Int, to state: ConnectivityState, error: StatusError?) {
    if state == .ready { subchannels[id]?.subchannel.connected() }
    run { $0.subchannelChanged(id, to: state, error: error, &$1) }
  }

  func connectionEnded(_ handle: ObjectIdentifier) {
    for entry in subchannels.values { entry.driver.connectionClosed(handle, error: nil) }
  }

  func capacityChanged(_ handle: ObjectIdentifier, _ connection: any ClientConnection, hasRoom: Bool) {
    for entry in subchannels.values where entry.driver.connection === connection { entry.subchannel.setFull(!hasRoom) }
  }

  // MARK: What the policy wants

  /// Asks the policy, then does what it wants. The policy's functions are called one at a time: what one causes while it
  /// runs waits.
  private func run(_ decide: @escaping (inout any LoadBalancingPolicy, inout PolicyEffects) -> Void) {
    pendingDecisions.append(decide)
    guard !isDeciding else { return }
    isDeciding = true
    while !pendingDecisions.isEmpty {
      let decide = pendingDecisions.removeFirst()
      var effects = PolicyEffects { [self] endpoint in makeSubchannel(endpoint) }
      decide(&policy, &effects)
      for effect in effects.effects { perform(effect) }
    }
    isDeciding = false
  }

  private var pendingDecisions: [(inout any LoadBalancingPolicy, inout PolicyEffects) -> Void] = []
  private var isDeciding = false

  private func makeSubchannel(_ endpoint: Endpoint) -> Subchannel {
    nextSubchannelID += 1
    let driver = SubchannelDriver(id: nextSubchannelID, endpoint: endpoint, core: self)
    let subchannel = Subchannel(id: nextSubchannelID, endpoint: endpoint, connection: driver)
    subchannels[nextSubchannelID] = (driver, subchannel)
    return subchannel
  }

  private func perform(_ effect: PolicyEffects.Effect) {
    switch effect {
    case .connect(let id): subchannels[id]?.driver.connect()
    case .remove(let id): subchannels.removeValue(forKey: id)?.driver.remove()
    case .publish(let state, let picker): publish(state, picker)
    case .resolveNow: resolver?.resolveNow()
    case .cancelTimer(let token): timers.removeValue(forKey: token)?.cancel()
    case .startTimer(let token, let delay):
      timers[token]?.cancel()
      timers[token] = loop.scheduleTimer(after: delay) { [weak self] in
        self?.timers[token] = nil
        self?.run { $0.timerFired(token, &$1) }
      }
    }
  }

  private func publish(_ state: ConnectivityState, _ picker: any Picker, isIdle: Bool = false) {
    snapshot = PublishedPicker(
      picker: picker, state: state, generation: snapshot.generation.next(), serviceConfig: serviceConfig,
      connections: subchannels.compactMapValues { $0.driver.connection }, isIdle: isIdle,
      awaitsResolution: holdTimer != nil, observesCalls: policy.observesCalls)
    published.replace(with: snapshot)
    connectivity.changed(to: state)
    let waiting = waiters.withLock { waiters in
      defer { waiters = [:] }
      return Array(waiters.values)
    }
    for waiter in waiting { waiter.pickerChanged() }
  }
}

/// What the resolver has said, for error messages.
private struct ResolverReport: CustomStringConvertible {
  private var note = "not resolved yet"
  private var error: String?
  private var resolvedAt: ContinuousClock.Instant?
  private var failedAt: ContinuousClock.Instant?

  mutating func resolved(_ resolution: Resolution) {
    note = resolution.note.isEmpty ? "\(resolution.endpoints.count) endpoints" : resolution.note
    resolvedAt = .now
    error = nil
  }

  mutating func failed(_ error: StatusError) {
    self.error = error.message
    failedAt = .now
  }

  var description: String {
    var text = "resolver: \(note)\(ResolverReport.age(resolvedAt))"
    if let error { text += ", then \(error)\(ResolverReport.age(failedAt))" }
    return text
  }

  private static func age(_ instant: ContinuousClock.Instant?) -> String {
    guard let instant else { return "" }
    return ", \(instant.duration(to: .now).milliseconds) ms ago"
  }
}
