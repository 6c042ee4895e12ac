import Synchronization
import VoleryLoadBalancing
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Acts for one subchannel: opens its connections, waits out its pauses, tells its policy of each change. What it does is
/// decided by `SubchannelState` and `ConnectionGrowth`. Runs in the channel's control plane, but for what is marked.
///
/// A connection that goes away (GOAWAY) is left to finish its calls by itself, while a fresh one is made.
final class SubchannelDriver: @unchecked Sendable {  // Isolation: loop
  let id: Int
  let endpoint: Endpoint
  /// The channel's half that calls use: who may pick it.
  let home: Home
  /// The subchannel's; nil before it was made.
  private var standing: SubchannelStanding?
  private(set) var state: SubchannelState
  private(set) var connections: [ChannelConnection] = []
  private unowned let core: ChannelCore
  private unowned let owner: PolicyDriver
  private var dial: EndpointDial?
  private var timer: (any TransportTimer)?
  private var further: FurtherConnections
  /// Made with the first connection.
  private var renewal: ConnectionRenewal?
  /// Of the next connection, when the last one has ended: the subchannel's own dial, should it want one.
  private var headStart: EndpointDial?
  private var monitors = SubchannelMonitors()
  /// What the policy was told last.
  private var reported = ConnectivityState.idle

  /// Connections beyond the first: what is decided of them, and what is under way.
  private struct FurtherConnections {
    var growth: ConnectionGrowth
    var dial: EndpointDial?
    /// What calls were told last: that there may be another one.
    var isOffered = false
    var shrinkTimer: (any TransportTimer)?

    mutating func stop() {
      dial.take()?.cancel()
      shrinkTimer.take()?.cancel()
    }
  }

  init(id: Int, endpoint: Endpoint, owner: PolicyDriver, core: ChannelCore) {
    self.id = id
    self.endpoint = endpoint
    self.owner = owner
    self.core = core
    home = Home(dataPlane: ObjectIdentifier(core.dataPlane), loop: core.loop)
    state = SubchannelState(backoff: core.options.backoff, connectTimeout: core.options.connectTimeout)
    further = FurtherConnections(growth: ConnectionGrowth(backoff: core.options.backoff))
  }

  /// The policies' side of this; its driver is held by it, not the other way round.
  func makeSubchannel(for request: SubchannelRequest) -> Subchannel {
    let subchannel = Subchannel(
      id: id, endpoint: endpoint, connection: self, owner: request.owner, ejects: core.options.ejectsFailingServers,
      ejectsSlow: core.options.ejectsSlowServers, asksResolver: request.asksResolver)
    standing = subchannel.standing
    return subchannel
  }

  /// The first one since the last connection was opened.
  func callAnswered() { monitors.callAnswered() }

  /// Asks the server of its health from now on, or no more.
  func watchHealth(_ question: HealthQuestion?) {
    let monitor = question.map { question in
      let hasAnswered = standing?.hasAnswered ?? false
      return HealthMonitor(service: question.service, hasAnswered: hasAnswered, core: core) { [weak self] verdict in
        if let self { owner.heard(verdict, of: id) }
      }
    }
    monitors.set(monitor, connections)
  }

  func watchLoad(_ watch: LoadWatch) { monitors.watchLoad(watch, connections, of: endpoint, core) }
  func endLoadWatch(_ watch: LoadWatch) { monitors.endLoadWatch(watch) }

  // MARK: What is wanted

  func connect() { perform(state.connectRequested(now: core.clock.now())) }

  func resetBackoff() {
    further.growth.reset()
    perform(state.backoffReset(now: core.clock.now()))
  }

  /// Calls wait, or fail, and the resolver has just said again that this is where they should go.
  func redial(ifStartedBefore limit: ChannelClock.Instant) {
    perform(state.redialWanted(ifStartedBefore: limit, now: core.clock.now()))
  }

  func resolutionAnswered(now: ChannelClock.Instant) { perform(state.resolutionAnswered(now: now)) }

  /// No more calls; those that run finish.
  func remove() {
    _ = state.removed()
    core.dataPlane.observe(.subchannelRemoved(id: id))
    timer.take()?.cancel()
    dial.take()?.cancel()
    further.stop()
    monitors.stop()
    renewal.take()?.stop()
    for connection in connections { connection.drain() }
    connections = []
    core.report.dials.withLock { dials in
      for address in endpoint.addresses { dials.forget(address) }
    }
  }

  // MARK: The first connection

  private func perform(_ action: SubchannelState.Action) {
    switch action {
    case .none: return
    case .stopWaiting: timer.take()?.cancel()
    case .wait(let delay):
      timer?.cancel()
      timer = core.loop.scheduleTimer(after: delay) { [weak self] in self?.waitOver() }
    case .connect(let timeout):
      timer.take()?.cancel()
      if let running = headStart.take() {
        dial = running
        running.handOver { [weak self] in self?.dialed($0) }
        return report()
      }
      dial = EndpointDial(endpoint: endpoint, subchannel: id, timeout: timeout, core: core) { [weak self] in
        self?.dialed($0)
      }
    }
    report()
    if case .connect = action { dial?.start() }
  }

  private func waitOver() { perform(state.waitOver(now: core.clock.now())) }

  private func dialed(_ outcome: EndpointDial.Outcome) {
    dial = nil
    switch outcome {
    case .opened(let connection):
      state.connectionOpened(now: core.clock.now())
      standing?.connected()
      monitors.connectionOpened()
      adopt(connection)
      report()
    case .failed(let error):
      core.dialFailed(endpoint, error, asksResolver: standing?.asksResolver ?? true)
      perform(state.dialFailed(error, now: core.clock.now(), random: core.clock.random()))
    }
  }

  private func report() {
    guard state.connectivity != reported else { return }
    reported = state.connectivity
    core.dataPlane.observe(.subchannelChanged(id: id, reported, error: state.error))
    owner.subchannelChanged(id, to: reported, error: state.error)
  }

  // MARK: Its connections

  /// For calls: what there is, and whether there may be more.
  private var offer: ConnectionOffer? {
    guard !connections.isEmpty else { return nil }
    return ConnectionOffer(
      connections: connections, driver: self, isGrowing: further.growth.isGrowing,
      mayGrow: further.growth.mayGrow(
        count: connections.count, limit: core.maxConnectionsPerSubchannel, now: core.clock.now()))
  }

  private func adopt(_ connection: ChannelConnection) {
    connection.adopt(by: self)
    connections.append(connection)
    connectionsChanged()
    if renewal == nil {
      renewal = ConnectionRenewal(endpoint: endpoint, subchannel: id, core: core) { [weak self] in
        self?.nextMade($0, $1, $2)
      }
    }
    renewal?.opened(connection)
  }

  func connectionNearsEnd(_ connection: ChannelConnection, _ cause: NearEnd) { renewal?.nearsEnd(connection, cause) }

  /// Make before break: the next one is there.
  private func nextMade(_ old: ChannelConnection, _ new: ChannelConnection, _ purpose: ConnectionRenewal.Purpose) {
    guard case .ready = state.phase, let index = connections.firstIndex(where: { $0 === old }) else {
      return new.close(reason: "not needed")
    }
    adopt(new)
    switch purpose {
    case .standBy: scheduleShrinking()
    case .replace:
      connections.remove(at: index)
      connectionsChanged()
      old.drain()
    }
  }

  private func connectionsChanged() {
    monitors.connectionsChanged(connections)
    noteRoom()
    let offer = offer
    further.isOffered = offer?.mayGrow ?? false
    owner.connectionsChanged(id, offer)
  }

  func capacityChanged() {
    // Calls wait for news while another connection is on its way; otherwise they look at the connections themselves.
    if further.growth.isGrowing || offer?.mayGrow != further.isOffered { return connectionsChanged() }
    noteRoom()
  }

  private func noteRoom() { standing?.setFull(!connections.isEmpty && !connections.contains(where: \.hasRoom)) }

  func connectionEnded(_ connection: ChannelConnection, _ end: ConnectionEnd) {
    connections.removeAll { $0 === connection }
    let departure = renewal?.ended(connection, end) ?? ConnectionRenewal.Departure()
    if !connections.isEmpty, departure.isExpected {
      departure.dial?.cancel()
      return connectionsChanged()  // The next one stands by, and nothing is amiss.
    }
    core.report.dials.withLock { $0.failed(connection.address, end.reason, at: core.clock.now()) }
    let isLast = connections.isEmpty && !owner.hasReady(besides: id)
    core.connectionLost(endpoint, end.reason, isLast: isLast, asksResolver: standing?.asksResolver ?? true)
    guard connections.isEmpty else {
      departure.dial?.cancel()
      return connectionsChanged()
    }
    further.stop()
    further.growth.reset()
    headStart = departure.dial
    let wait = core.reconnectWait(isLast: isLast, cause: end.cause, isExpected: departure.isExpected)
    let loss = SubchannelState.Loss(
      reason: end.reason, use: SubchannelState.Use(end.tally), pause: wait.pause, resolutionLimit: wait.resolutionLimit)
    let action = state.connectionLost(loss, now: core.clock.now(), random: core.clock.random())
    connectionsChanged()
    perform(action)
    report()
    headStart.take()?.cancel()  // Nobody wants to connect now.
  }

  /// A connection that went away while calls were under way on it is closed.
  func lastCallEnded(_ tally: ConnectionTally) { state.verdict(wasUseful: tally.served > 0) }

  // MARK: More connections (gRFC A105)

  /// All connections run as many calls as they may: opens another one.
  ///
  /// - Parameter core: The caller's own, which it keeps alive.
  func grow(for core: ChannelCore) {
    guard case .ready = state.phase, !further.growth.isGrowing else { return }
    let now = core.clock.now()
    guard !connections.contains(where: \.hasRoom),
      further.growth.begin(count: connections.count, limit: core.maxConnectionsPerSubchannel, now: now)
    else { return connectionsChanged() }  // There is room again: the call that asked waits to hear of it.
    let dial = EndpointDial(endpoint: endpoint, subchannel: id, timeout: .seconds(1), core: core) {
      [weak self] in self?.grew($0)
    }
    further.dial = dial
    connectionsChanged()
    dial.start()
  }

  private func grew(_ outcome: EndpointDial.Outcome) {
    further.dial = nil
    switch outcome {
    case .opened(let connection):
      further.growth.succeeded()
      adopt(connection)
      scheduleShrinking()
    case .failed:
      further.growth.failed(now: core.clock.now(), random: core.clock.random())
      connectionsChanged()
    }
  }

  /// An additional connection that no call has been given to for this long is let go.
  private static let shrinkInterval = Duration.seconds(60)

  private func scheduleShrinking() {
    guard further.shrinkTimer == nil, connections.count > 1 else { return }
    for connection in connections { _ = connection.takeUse() }
    let interval = SubchannelDriver.shrinkInterval
    further.shrinkTimer = core.loop.scheduleTimer(after: interval) { [weak self] in self?.shrink() }
  }

  private func shrink() {
    further.shrinkTimer = nil
    let unused = connections.dropFirst().filter { !$0.takeUse() }
    for connection in unused { connection.drain() }
    for connection in unused { renewal?.ended(connection).dial?.cancel() }
    connections.removeAll { candidate in unused.contains { $0 === candidate } }
    if !unused.isEmpty { connectionsChanged() }
    scheduleShrinking()
  }
}
