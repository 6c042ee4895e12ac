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
/// This file has its waking and what it publishes; `ChannelCore+Policies` what the resolver says and what follows for the
/// policies, `ChannelCore+Connections` what happens to connections, `ChannelEnding` how it ends.
package final class ChannelCore: @unchecked Sendable {  // Isolation: loop
  package let target: Target
  package let options: ChannelOptions
  let connectors: ClientConnectors
  package let loop: any TransportLoop
  let clock: ChannelClock

  // Any thread.
  package let dataPlane: DataPlane
  let report: ChannelReport
  package let connectivity = ConnectivityTracker()

  // In the control plane.
  var resolver: ChannelResolver
  /// What calls go by.
  var balancing: ChannelBalancing
  private var snapshot: PublishedPicker
  var log: ChannelLog
  var ending = ChannelEnding()
  var idleTimer = IdleTimer()
  var redialTimer = RedialTimer()

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
    report = ChannelReport(target: target, clock: clock)
    resolver = ChannelResolver(factory)
    balancing = ChannelBalancing(fallback: options.serviceConfig)
    log = ChannelLog(target: target, logger: options.logger)
    snapshot = PublishedPicker(
      picker: QueueingPicker(), state: .idle, generation: .first, serviceConfig: options.serviceConfig, isIdle: true)
    let authority = options.authority ?? URIText.authority(factory.defaultAuthority(for: target))
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

  /// The `:authority` of calls.
  package var authority: String { dataPlane.authority }

  // MARK: Waking

  func exitIdle() {
    guard !ending.isClosed else { return }
    if snapshot.isIdle { dataPlane.activity.touch() }
    if resolver.isMade { return policy.run { $0.exitIdle(&$1) } }
    do {
      let made = try resolver.make(for: self)
      report.resolver.withLock { $0.started(at: clock.now()) }
      publish()
      made.start()
    } catch {
      publish(failure: StatusError(.unavailable, "the resolver can't be made: \(error)"))
      resolver.makeLater(for: self)
    }
    idleTimer.start(for: self)
  }

  /// Lets go of resolver and connections until the next call.
  func enterIdle() {
    guard !ending.isClosed, !snapshot.isIdle else { return }
    letGo()
    if let fresh = try? makePolicy(for: serviceConfig) { balancing.policies = GracefulSwitch(fresh) }
    publish(isIdle: true)
  }

  func letGo() {
    resolver.stop()
    balancing.forgetResolution()
    for driver in balancing.policies.all { driver.stop() }
    _ = balancing.policies.giveUpNext()
    redialTimer.stop()
    idleTimer.stop()
  }

  func resetBackoff() {
    for driver in balancing.policies.all { driver.resetBackoff() }
    resolver.resolveNow(.requested)
  }

  // MARK: Publishing

  /// Publishes what holds now, and wakes the calls that wait for it.
  func publish(isIdle: Bool = false, failure: StatusError? = nil) {
    let isClosed = ending.isClosed
    let failure = isClosed ? ChannelCore.closed : failure ?? balancing.configFailure
    let state: ConnectivityState =
      isClosed ? .shutdown : isIdle ? .idle : failure != nil ? .transientFailure : policy.state
    let generation = snapshot.generation.next()
    balancing.published(generation)
    snapshot = PublishedPicker(
      picker: failure.map { FailingPicker(error: $0) } ?? policy.picker, state: state,
      generation: generation, serviceConfig: serviceConfig, offers: policy.offers, isIdle: isIdle,
      awaitsResolution: resolver.holdsCalls && !isClosed, policyName: policy.choice.name,
      selector: balancing.attributes.configSelector, configuredAt: balancing.configuredAt)
    let silent = balancing.hasAnswer && !policy.hasPublished ? policy.choice.name : nil
    report.silentPolicy.withLock { $0 = silent }
    // Who hears of the new state may call at once.
    dataPlane.publish(snapshot)
    if connectivity.current != state { dataPlane.observe(.stateChanged(state)) }
    connectivity.changed(to: state)
    redialTimer.set(isNeeded: !isIdle && !isClosed && policy.state == .transientFailure, for: self)
  }

  /// A call's picker named a subchannel that has no connection.
  func connect(_ subchannel: Subchannel, pickedBy generation: PickerGeneration) {
    policy.connect(subchannel.id)
    // The policy has given it up, and still picks it: the call has to look again to find that out.
    if subchannel.isRemoved, generation == snapshot.generation { publish() }
  }
}
