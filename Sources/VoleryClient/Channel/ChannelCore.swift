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
/// This file has its life and what it publishes; `ChannelCore+Policies` what the resolver says and what follows for the
/// policies, `ChannelCore+Calls` what calls ask, `ChannelCore+Connections` what happens to connections.
package final class ChannelCore: @unchecked Sendable {
  package let target: Target
  package let options: ChannelOptions
  /// The `:authority` of calls.
  package let authority: String
  let connectors: ClientConnectors
  package let loop: any TransportLoop
  let clock: ChannelClock

  // Any thread.
  package let dataPlane: DataPlane
  let report = Mutex(ResolverReport())
  let dials = Mutex(DialReport())
  package let connectivity = ConnectivityTracker()

  // In the control plane.
  private let resolverFactory: any ResolverFactory
  var resolver: ResolverDriver?
  /// What calls go by.
  var balancing: ChannelBalancing
  private var snapshot: PublishedPicker
  var startLog: ChannelLog
  var openConnections: [ObjectIdentifier: ChannelConnection] = [:]
  var hold: (any TransportTimer)?
  var redialTimer: (any TransportTimer)?
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
    target: Target, options: ChannelOptions, connectors: ClientConnectors, loop: any TransportLoop,
    clock: ChannelClock = .system
  ) throws(TargetError) {
    guard let factory = options.resolvers[target.scheme] else {
      throw TargetError("no resolver for the scheme \"\(target.scheme)\"")
    }
    self.target = target
    self.options = options
    self.connectors = connectors
    self.loop = loop
    self.clock = clock
    resolverFactory = factory
    authority = options.authority ?? URIText.authority(factory.defaultAuthority(for: target))
    balancing = ChannelBalancing(fallback: options.serviceConfig)
    startLog = ChannelLog(target: target, logger: options.logger)
    snapshot = PublishedPicker(
      picker: QueueingPicker(), state: .idle, generation: .first, serviceConfig: options.serviceConfig, isIdle: true)
    dataPlane = DataPlane(
      options: options, target: "\(target)", authority: authority, loop: loop, clock: clock, snapshot: snapshot)
    dataPlane.control = self
    do {
      balancing.policies = GracefulSwitch(try makePolicy(for: options.serviceConfig))
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
    if let fresh = try? makePolicy(for: serviceConfig) { balancing.policies = GracefulSwitch(fresh) }
    publish(isIdle: true)
  }

  private func letGo() {
    resolver?.stop()
    resolver = nil
    balancing.forgetResolution()
    for driver in balancing.policies.all { driver.stop() }
    _ = balancing.policies.giveUpNext()
    hold.take()?.cancel()
    redialTimer.take()?.cancel()
    idleTimer.take()?.cancel()
    resolverRetry.take()?.cancel()
  }

  func resetBackoff() {
    for driver in balancing.policies.all { driver.resetBackoff() }
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

  // MARK: Publishing

  /// Publishes what holds now, and wakes the calls that wait for it.
  func publish(isIdle: Bool = false, failure: StatusError? = nil) {
    let failure = isClosed ? ChannelCore.closed : failure ?? balancing.configFailure
    let state: ConnectivityState =
      isClosed ? .shutdown : isIdle ? .idle : failure != nil ? .transientFailure : policy.state
    snapshot = PublishedPicker(
      picker: failure.map { FailingPicker(error: $0) } ?? policy.picker, state: state,
      generation: snapshot.generation.next(), serviceConfig: serviceConfig, offers: policy.offers, isIdle: isIdle,
      awaitsResolution: hold != nil && !isClosed, policyName: policy.choice.name,
      selector: balancing.attributes.configSelector)
    // Who hears of the new state may call at once.
    dataPlane.publish(snapshot)
    if connectivity.current != state { dataPlane.observe(.stateChanged(state)) }
    connectivity.changed(to: state)
    scheduleRedial(isNeeded: !isIdle && !isClosed && policy.state == .transientFailure)
  }

  /// A call's picker named a subchannel that has no connection.
  func connect(_ subchannel: Subchannel, pickedBy generation: PickerGeneration) {
    policy.connect(subchannel.id)
    // The policy has given it up, and still picks it: the call has to look again to find that out.
    if subchannel.isRemoved, generation == snapshot.generation { publish() }
  }

  static let closed = StatusError(.unavailable, "the channel is closed")
}
