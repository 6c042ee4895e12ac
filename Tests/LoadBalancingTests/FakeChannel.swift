import Synchronization
import VoleryLoadBalancing
import VoleryTypes

/// A channel without connections: carries out what a policy wants, on command, by a clock of its own.
final class FakeChannel {
  var policy: any LoadBalancingPolicy
  private(set) var subchannels: [Int: Subchannel] = [:]
  private(set) var states: [Int: ConnectivityState] = [:]
  private(set) var picker: any Picker = QueueingPicker()
  private(set) var state = ConnectivityState.idle
  /// How often the policy has published.
  private(set) var publications = 0
  private var nextID = 0
  private let ejectsSlow: Bool
  private let clock = TestClock()
  private(set) var timers: [PolicyTimer: ContinuousClock.Instant] = [:]
  /// Those that want to hear of the load.
  private(set) var loadWatches: [LoadWatch] = []
  /// Of outlier detection: what it has found and let go, in order.
  private(set) var spared: [Spared] = []

  struct Spared: Hashable {
    let id: Int
    let method: OutlierDetectionMethod
    let reason: UnenforcedReason
  }

  /// What `weighted_round_robin` has set its shares by, in order.
  private(set) var weights: [[EndpointWeight]] = []

  /// What children have been told off for.
  private(set) var complaints: [String] = []
  /// As a resolver's answer has it.
  var attributes = Attributes()

  /// Notes what pickers ask for.
  private final class NoConnection: ConnectionRequests {
    let wanted = Mutex(false)
    func connectionRequested() { wanted.withLock { $0 = true } }
  }

  init(_ policy: any LoadBalancingPolicy) {
    self.policy = policy
    ejectsSlow = true
  }

  convenience init(_ name: String, seed: UInt64 = 1, configuration: JSONValue = .null) throws {
    try self.init(seed: seed) { context in
      try LoadBalancingRegistry.builtIn[name]!.makePolicy(configuration: configuration, context: context)
    }
  }

  /// - Parameter ejectsSlow: `ChannelOptions.ejectsSlowServers`.
  init(
    seed: UInt64, ejectsSlow: Bool = true, _ makePolicy: (PolicyContext) throws -> any LoadBalancingPolicy
  ) rethrows {
    var state = seed
    let random = SendableBox { () -> UInt64 in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state
    }
    self.ejectsSlow = ejectsSlow
    policy = try makePolicy(PolicyContext(registry: .builtIn, now: clock.now, random: { random.value() }))
  }

  /// Since the channel was made.
  var time: Duration {
    get { clock.time }
    set {
      while let next = timers.min(by: { $0.value < $1.value }), next.value <= clock.start.advanced(by: newValue) {
        timers[next.key] = nil
        clock.time = clock.start.duration(to: next.value)
        run { policy, effects in
          if next.key.path.isEmpty {
            policy.timerFired(next.key.token, &effects)
          } else {
            policy.childTimerFired(next.key, &effects)
          }
        }
      }
      clock.time = newValue
    }
  }

  func ended(_ calls: [CallReport]) {
    if policy.observesCalls { run { $0.callsEnded(calls, &$1) } }
  }

  func run(_ body: (inout any LoadBalancingPolicy, inout PolicyEffects) -> Void) {
    var effects = PolicyEffects(attributes: attributes) { [self] endpoint in
      nextID += 1
      let subchannel = Subchannel(
        id: nextID, endpoint: endpoint, connection: NoConnection(), ejectsSlow: ejectsSlow, now: clock.now)
      subchannels[nextID] = subchannel
      states[nextID] = .idle
      return subchannel
    }
    body(&policy, &effects)
    for effect in effects.effects {
      switch effect {
      case .connect(let id): if states[id] == .idle { change(id, .connecting) }
      case .remove(let id):
        subchannels[id] = nil
        loadWatches.removeAll { $0.subchannel == id }
        states[id] = nil
      case .publish(let state, let picker):
        self.state = state
        self.picker = picker
        publications += 1
      case .tellSpared(let id, let method, let reason): spared.append(Spared(id: id, method: method, reason: reason))
      case .resolveNow, .tellEjection: break
      case .tellWeights(let weights): self.weights.append(weights)
      case .watchLoad(let watch): loadWatches.append(watch)
      case .endLoadWatch(let watch): loadWatches.removeAll { $0 === watch }
      case .startTimer(let timer, let delay): timers[timer] = clock.now().advanced(by: delay)
      case .cancelTimer(let timer): timers[timer] = nil
      case .complain(let text): complaints.append(text)
      }
    }
  }

  @discardableResult
  func update(_ ports: [Int]) -> Bool {
    var isUsable = false
    run { isUsable = $0.update(ports.map { Endpoint(.tcp("10.0.0.1", $0)) }, &$1) }
    return isUsable
  }

  func change(_ id: Int, _ state: ConnectivityState, error: StatusError? = nil) {
    guard states[id] != nil else { return }
    states[id] = state
    run { $0.subchannelChanged(id, to: state, error: error, &$1) }
  }

  /// Several at once.
  func change(_ changes: [SubchannelChange]) {
    for change in changes { states[change.id] = change.state }
    run { $0.subchannelsChanged(changes, &$1) }
  }

  func makeReady(_ ports: [Int]) { for port in ports { change(id(port), .ready) } }

  func id(_ port: Int) -> Int {
    subchannels.values.first { $0.endpoint.addresses.contains(.tcp("10.0.0.1", port)) }?.id ?? -1
  }

  func pick() -> PickResult { picker.pick(for: PickRequest(path: "/a/b", metadata: Metadata())) }

  /// What a channel does of a pick: connects what is picked or asked for without a connection. Returns the port of a pick that is
  /// ready.
  func call(_ metadata: Metadata = Metadata(), hash: UInt64? = nil) -> Int? {
    var configuration = CallConfiguration()
    configuration.hash = hash
    let picked = picker.pick(
      for: PickRequest(path: "/a/b", metadata: metadata, configuration: hash == nil ? nil : configuration)
    ).subchannel
    for (id, subchannel) in subchannels {
      let isWanted = (subchannel.connection as? NoConnection)?.wanted.withLock { wanted in
        defer { wanted = false }
        return wanted
      }
      if isWanted == true || id == picked?.id, states[id] == .idle { change(id, .connecting) }
    }
    guard let picked, states[picked.id] == .ready, case .tcp(_, let port)? = picked.endpoint.addresses.first else {
      return nil
    }
    return port
  }

  /// The port of the picked subchannel.
  func pickPort(_ metadata: Metadata = Metadata()) -> Int? {
    let picked = picker.pick(for: PickRequest(path: "/a/b", metadata: metadata))
    guard let subchannel = picked.subchannel, case .tcp(_, let port)? = subchannel.endpoint.addresses.first else {
      return nil
    }
    return port
  }
}

/// Time that a test sets.
final class TestClock: Sendable {
  let start = ContinuousClock.now
  private let elapsed = Mutex(Duration.zero)

  var time: Duration {
    get { elapsed.withLock { $0 } }
    set { elapsed.withLock { $0 = newValue } }
  }

  var now: @Sendable () -> ContinuousClock.Instant { { [self] in start.advanced(by: time) } }
}

/// Test code runs on one thread here.
private struct SendableBox: @unchecked Sendable {
  let value: () -> UInt64
  init(_ value: @escaping () -> UInt64) { self.value = value }
}
