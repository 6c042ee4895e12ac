import VoleryLoadBalancing
import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Runs one load balancing policy: gives it events one at a time, does what it wants, keeps what it publishes. Whatever a
/// policy does, it costs its own channel's calls their answer and nothing else. Runs in the channel's control plane.
final class PolicyDriver: @unchecked Sendable {  // Isolation: loop
  typealias Decision = (inout any LoadBalancingPolicy, inout PolicyEffects) -> Void

  private struct Member {
    let driver: SubchannelDriver
    let subchannel: Subchannel
    let usesHealthChecks: Bool
  }

  private struct Publication {
    var state: ConnectivityState
    var picker: any Picker
  }

  /// What the policy has published last; nil: nothing yet, though it has to with its first list.
  private var published: Publication?
  /// The connections of each ready subchannel.
  private(set) var offers = NumberTable<ConnectionOffer>()

  private(set) var choice: ServiceConfig.LoadBalancingChoice
  private unowned let core: ChannelCore
  private var policy: any LoadBalancingPolicy
  private var members: [Int: Member] = [:]
  private var timers: [PolicyTimer: any TransportTimer] = [:]
  /// What was written to the log of it.
  private var complaints = (count: 0, isSilenceTold: false)
  private var pending = PendingChanges()
  private var decisions: [Decision] = []
  private var isDeciding = false
  private var hasNews = false
  private var isStopped = false
  private var health: HealthGate
  /// Subchannels whose policies want to hear of their servers' health.
  private var checkedCount = 0

  /// More than any real target has; a policy that asks for more gets subchannels that never connect.
  private static let maxSubchannels = 20_000
  /// Of the policy itself; its children have as many each.
  private static let maxTimers = 1000
  /// More lines in the log say nothing new.
  private static let maxComplaints = 10

  init(_ policy: any LoadBalancingPolicy, choice: ServiceConfig.LoadBalancingChoice, core: ChannelCore) {
    self.policy = policy
    self.choice = choice
    self.core = core
    health = HealthGate(mode: core.healthMode)
  }

  /// What its server is asked: nil, that it is not; else the service's name, nil where the answer is for advice.
  private func healthQuestion(for member: Member) -> HealthQuestion? {
    guard member.usesHealthChecks else { return nil }
    return switch health.mode {
    case .off: nil
    // Who has nowhere else to go needs no advice.
    case .advice: checkedCount > 1 ? HealthQuestion(service: nil) : nil
    case .required: HealthQuestion(service: core.serviceConfig.healthCheckService)
    }
  }

  private func watchHealth(of members: some Sequence<Member>) {
    for member in members { member.driver.watchHealth(healthQuestion(for: member)) }
  }

  /// The service config has another health service.
  func healthServiceChanged() {
    let reports = health.changed(to: core.healthMode)
    watchHealth(of: members.values)
    tell(reports)
  }

  var state: ConnectivityState { published?.state ?? .connecting }
  var picker: any Picker { published?.picker ?? QueueingPicker() }
  var hasPublished: Bool { published != nil }

  /// Whether the policy wants `callsEnded`.
  var observesCalls: Bool { policy.observesCalls }

  func hasReady(besides id: Int) -> Bool { offers.ids.contains { $0 != id } }

  // MARK: What happens

  /// Asks the policy, then does what it wants, and tells the channel if calls have to know. What one decision causes
  /// while it is carried out waits for its turn.
  func run(_ decide: @escaping Decision) {
    guard !isStopped else { return }
    decisions.append(decide)
    work()
  }

  private func work() {
    guard !isDeciding, !isStopped else { return }
    isDeciding = true
    pending.begin()
    while !isStopped, let decide = nextDecision() {
      var effects = PolicyEffects(
        attributes: core.balancing.attributes, usesHealthChecks: policy.usesHealthChecks
      ) { [self] in makeSubchannel($0) }
      decide(&policy, &effects)
      for effect in effects.effects where !isStopped { perform(effect) }
    }
    isDeciding = false
    tellNews()
    pending.ended(at: core.clock.now())
  }

  /// What has happened to subchannels comes first: the policy knows of all of it when it hears of anything else.
  private func nextDecision() -> Decision? {
    let changes = pending.take().filter { members[$0.id] != nil }
    if !changes.isEmpty { return { $0.subchannelsChanged(changes, &$1) } }
    return decisions.isEmpty ? nil : decisions.removeFirst()
  }

  /// Something has happened that the policy or calls have to know: now, or together with what is about to happen to others.
  private func workSoon(isUrgent: Bool) {
    guard !isDeciding, !isStopped else { return }
    guard !isUrgent, let wait = pending.wait(with: members.count, now: core.clock.now()) else { return work() }
    pending.scheduleIfNeeded { core.loop.scheduleTimer(after: wait) { [weak self] in self?.work() } }
  }

  /// Takes over the configuration of a driver that has done nothing yet, where the policy can; its list should follow at once.
  func adopt(_ fresh: PolicyDriver) -> Bool {
    guard !isStopped, fresh.choice.name == choice.name, policy.adopt(fresh.policy) else { return false }
    choice = fresh.choice
    return true
  }

  /// The resolver's whole answer.
  func update(_ endpoints: [Endpoint]) {
    run { policy, effects in _ = policy.update(endpoints, &effects) }
    guard published == nil, !complaints.isSilenceTold, !isStopped else { return }
    complaints.isSilenceTold = true
    complain("it has published no picker: calls wait")
  }

  func subchannelChanged(_ id: Int, to state: ConnectivityState, error: StatusError?) {
    guard members[id] != nil else { return }
    tell(health.changed(id, to: state, error: error))
  }

  func heard(_ verdict: HealthGate.Verdict, of id: Int) {
    guard members[id] != nil else { return }
    tell(health.heard(verdict, of: id))
  }

  private func tell(_ reports: [HealthGate.Report]) {
    guard !reports.isEmpty, !isStopped else { return }
    pending.add(reports.map { SubchannelChange($0.id, to: $0.state, error: $0.error) })
    // Calls may wait for the first one.
    workSoon(isUrgent: state != .ready && reports.contains { $0.state == .ready })
  }

  /// Calls have to know of it even if the policy publishes nothing new.
  func connectionsChanged(_ id: Int, _ offer: ConnectionOffer?) {
    guard members[id] != nil else { return }
    offers[id] = offer
    hasNews = true
    workSoon(isUrgent: state != .ready)
  }

  func callsEnded(_ reports: [CallReport]) {
    let own = reports.filter { members[$0.subchannel] != nil }
    if !own.isEmpty { run { $0.callsEnded(own, &$1) } }
  }

  private func tellNews() {
    guard hasNews, !isDeciding, !isStopped else { return }
    hasNews = false
    core.policyChanged(self)
  }

  // MARK: What the channel wants

  func connect(_ id: Int) { members[id]?.driver.connect() }

  func resetBackoff() {
    for member in members.values { member.driver.resetBackoff() }
  }

  /// Nothing is ready: whoever has not been tried since `limit` is, though its backoff is not over.
  func redialAll(ifStartedBefore limit: ChannelClock.Instant) {
    guard offers.isEmpty else { return }
    for member in members.values { member.driver.redial(ifStartedBefore: limit) }
  }

  func resolutionAnswered() {
    let now = core.clock.now()
    for member in members.values { member.driver.resolutionAnswered(now: now) }
  }

  /// No more calls on its connections; those that run finish. The policy is not asked any more.
  func stop() {
    isStopped = true
    pending.begin()
    for timer in timers.values { timer.cancel() }
    timers = [:]
    for member in members.values {
      member.driver.remove()
      core.loop.execute { member.subchannel.setRemoved() }
    }
    members = [:]
    offers = NumberTable()
    decisions = []
  }

  // MARK: What the policy wants

  private func makeSubchannel(_ request: SubchannelRequest) -> Subchannel {
    let driver = SubchannelDriver(id: ObservedID.next(), endpoint: request.endpoint, owner: self, core: core)
    let subchannel = driver.makeSubchannel(for: request)
    core.dataPlane.observe(.subchannelCreated(id: driver.id, request.endpoint))
    if members.count < PolicyDriver.maxSubchannels {
      add(Member(driver: driver, subchannel: subchannel, usesHealthChecks: request.usesHealthChecks))
    } else {
      complain("it has more than \(PolicyDriver.maxSubchannels) subchannels")
      core.loop.execute { subchannel.setRemoved() }
    }
    return subchannel
  }

  private func add(_ member: Member) {
    members[member.driver.id] = member
    guard member.usesHealthChecks else { return health.exempt(member.driver.id) }
    checkedCount += 1
    // The first one has another one to go to only now.
    if checkedCount == 2 { watchHealth(of: members.values) } else { watchHealth(of: CollectionOfOne(member)) }
  }

  private func perform(_ effect: PolicyEffects.Effect) {
    switch effect {
    case .connect(let id): members[id]?.driver.connect()
    case .remove(let id): remove(id)
    case .publish(let state, let picker):
      // Only the channel itself shuts down.
      published = Publication(state: state == .shutdown ? .transientFailure : state, picker: picker)
      hasNews = true
    case .resolveNow: core.resolveNow()
    case .cancelTimer(let timer): timers.removeValue(forKey: timer)?.cancel()
    case .startTimer(let timer, let delay): start(timer, after: delay)
    case .tellEjection(let id, let method): tellEjection(id, method)
    case .watchLoad(let watch): members[watch.subchannel]?.driver.watchLoad(watch)
    case .endLoadWatch(let watch): members[watch.subchannel]?.driver.endLoadWatch(watch)
    case .tellSpared(let id, let method, let reason):
      if members[id] != nil { core.dataPlane.observe(.outlierSpared(id: id, method, reason)) }
    case .tellWeights(let weights): core.dataPlane.observe(.weightsUpdated(weights))
    case .complain(let text): complain(text)
    }
  }

  private func tellEjection(_ id: Int, _ method: OutlierDetectionMethod?) {
    guard members[id] != nil else { return }
    core.dataPlane.observe(method.map { .outlierEjected(id: id, $0) } ?? .outlierReadmitted(id: id))
  }

  private func start(_ timer: PolicyTimer, after delay: Duration) {
    if let old = timers.removeValue(forKey: timer) {
      old.cancel()
    } else if timer.path.isEmpty, timers.count >= PolicyDriver.maxTimers,
      timers.keys.count(where: \.path.isEmpty) >= PolicyDriver.maxTimers
    {
      return complain("it wants more than \(PolicyDriver.maxTimers) timers")
    }
    timers[timer] = core.loop.scheduleTimer(after: max(delay, .milliseconds(1))) { [weak self] in
      self?.timers[timer] = nil
      self?.run { policy, effects in
        if timer.path.isEmpty {
          policy.timerFired(timer.token, &effects)
        } else {
          policy.childTimerFired(timer, &effects)
        }
      }
    }
  }

  /// The policy, or one below it, has done what can't be.
  private func complain(_ text: String) {
    complaints.count += 1
    if complaints.count <= PolicyDriver.maxComplaints { core.log.policyErred(choice.name, text) }
  }

  private func remove(_ id: Int) {
    guard let member = members.removeValue(forKey: id) else { return }
    if member.usesHealthChecks { checkedCount -= 1 }
    member.driver.remove()
    // Once the pickers that may know no better have been replaced.
    core.loop.execute { member.subchannel.setRemoved() }
    if offers.remove(id) { hasNews = true }
    tell(health.removed(id))
  }
}
