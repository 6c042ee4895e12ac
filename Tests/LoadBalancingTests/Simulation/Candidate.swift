import Synchronization
import VoleryLoadBalancing
import VoleryPlatform
import VoleryTypes

/// What could be the default: the policies that there are, and others that were thought of, written here to compare with.
enum Candidate: CaseIterable {
  case roundRobinLeastRequest
  /// The same with `ejectsSlowServers` off.
  case withoutSlowEjection
  case roundRobin
  case leastRequest
  case random
  /// With reports that come with calls, a blackout period of 1 s instead of 10, and the weights of these taken each 0.5 s.
  case weightedRoundRobin
  /// Finagle's: the lower product of calls outstanding and the peak-sensitive moving average of times, of two at random.
  case peakEWMA
  /// Smooth weighted round robin, by the inverse of the moving average of times.
  case inverseLatency
  case builtInPeakEWMA
  /// As gRFC A48 has it.
  case sampledLeastRequest
  /// Five seconds, around the default.
  case slowStart

  /// Whether the second table has it.
  var isComparedWhenSlow: Bool {
    switch self {
    case .builtInPeakEWMA, .sampledLeastRequest, .slowStart: false
    default: true
    }
  }

  var name: String {
    switch self {
    case .roundRobinLeastRequest: "`rr_least_request`"
    case .withoutSlowEjection: "the same without ejecting slow ones"
    case .roundRobin: "`round_robin`"
    case .leastRequest: "`least_request`"
    case .random: "`random`"
    case .weightedRoundRobin: "`weighted_round_robin`"
    case .peakEWMA: "peak EWMA of two (decay 10 s)"
    case .inverseLatency: "shares by the inverse of the times"
    case .builtInPeakEWMA: "`peak_ewma`"
    case .sampledLeastRequest: "`least_request_experimental`"
    case .slowStart: "`slow_start` of 5 s, `rr_least_request`"
    }
  }
}

extension FakeChannel {
  convenience init(_ candidate: Candidate, seed: UInt64) throws {
    let name: String
    var configuration = JSONValue.null
    switch candidate {
    case .roundRobinLeastRequest, .withoutSlowEjection: name = "rr_least_request"
    case .roundRobin: name = "round_robin"
    case .leastRequest: name = "least_request"
    case .random: name = "random"
    case .weightedRoundRobin:
      name = "weighted_round_robin"
      configuration = .object(["blackoutPeriod": .string("1s"), "weightUpdatePeriod": .string("0.5s")])
    case .builtInPeakEWMA: name = "peak_ewma"
    case .sampledLeastRequest: name = "least_request_experimental"
    case .slowStart:
      name = "slow_start"
      configuration = .object(["window": .string("5s")])
    case .peakEWMA:
      self.init(seed: seed) { context in
        SpreadingPolicy(context: context) { [now = context.now] in PeakEWMAPicker($0, seed: $1, now: now) }
      }
      return
    case .inverseLatency:
      self.init(seed: seed) { context in SpreadingPolicy(context: context) { picked, _ in InverseLatencyPicker(picked) }
      }
      return
    }
    try self.init(seed: seed, ejectsSlow: candidate != .withoutSlowEjection) { [configuration] context in
      try LoadBalancingRegistry.builtIn[name]!.makePolicy(configuration: configuration, context: context)
    }
  }
}

/// The simulator runs on one thread; the lock is for the compiler.
private final class PeakEWMAPicker: Picker {
  private struct Average {
    var seconds = 0.0
    var at: ContinuousClock.Instant
  }

  private struct State {
    var averages: [Average]
    var random: SeededGenerator
  }

  private static let decay = 10.0
  private let subchannels: [Subchannel]
  private let now: @Sendable () -> ContinuousClock.Instant
  private let state: Mutex<State>

  init(_ subchannels: [Subchannel], seed: UInt64, now: @escaping @Sendable () -> ContinuousClock.Instant) {
    self.subchannels = subchannels
    self.now = now
    state = Mutex(
      State(
        averages: Array(repeating: Average(at: now()), count: subchannels.count),
        random: SeededGenerator(state: seed)))
  }

  func pick(for call: PickRequest) -> PickResult {
    let count = UInt64(subchannels.count)
    let index = state.withLock { state in
      let first = Int(state.random.next() % count)
      guard count > 1 else { return first }
      let second = (first + 1 + Int(state.random.next() % (count - 1))) % Int(count)
      return load(second, state) < load(first, state) ? second : first
    }
    return .attempt(Pick(subchannels[index]) { [self] end in ended(index, end.duration / .seconds(1)) })
  }

  private func load(_ index: Int, _ state: State) -> Double {
    state.averages[index].seconds * weight(state.averages[index])
      * Double(subchannels[index].outstandingCalls + 1)
  }

  private func weight(_ average: Average) -> Double {
    exp(-(average.at.duration(to: now()) / .seconds(1)) / PeakEWMAPicker.decay)
  }

  private func ended(_ index: Int, _ seconds: Double) {
    state.withLock { state in
      let average = state.averages[index]
      let weight = weight(average)
      let new = seconds > average.seconds ? seconds : average.seconds * weight + seconds * (1 - weight)
      state.averages[index] = Average(seconds: new, at: now())
    }
  }
}

private final class InverseLatencyPicker: Picker {
  private struct State {
    var seconds: [Double]
    var credit: [Double]
  }

  private let subchannels: [Subchannel]
  private let state: Mutex<State>

  init(_ subchannels: [Subchannel]) {
    self.subchannels = subchannels
    state = Mutex(
      State(
        seconds: Array(repeating: 0.01, count: subchannels.count),
        credit: Array(repeating: 0, count: subchannels.count)))
  }

  func pick(for call: PickRequest) -> PickResult {
    let index = state.withLock { state in
      let all = state.seconds.reduce(0) { $0 + 1 / $1 }
      for index in state.credit.indices { state.credit[index] += 1 / state.seconds[index] / all }
      let best = state.credit.indices.max { state.credit[$0] < state.credit[$1] }!
      state.credit[best] -= 1
      return best
    }
    return .attempt(
      Pick(subchannels[index]) { [self] end in
        state.withLock { $0.seconds[index] = $0.seconds[index] * 0.95 + end.duration / .seconds(1) * 0.05 }
      })
  }
}
