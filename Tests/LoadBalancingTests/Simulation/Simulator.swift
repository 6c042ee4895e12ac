import VoleryLoadBalancing
import VoleryPlatform
import VoleryTypes

/// Calls that come at random moments (Poisson), a policy that picks a pod for each, and pods that work at random speeds
/// (exponential), in simulated time from a seed: the same figures on every run.
///
/// What only a real channel does is not here: no pings, no reconnects, no retries. `make lab` measures those.
final class Simulator {
  /// How one pod treats its calls.
  struct Pod {
    enum Conduct {
      case works
      /// Takes calls and never answers.
      case hangs
      /// Says UNAVAILABLE after 0.1 ms.
      case failsFast
    }

    var conduct = Conduct.works
    /// Its calls take so many times longer than the method's mean.
    var slowness = 1.0
    /// When it is so.
    var isSlow = 0.0..<Double.infinity
    /// It stands still so often, for so long: seconds. What would end within, ends after.
    var pause: (every: Double, for: Double)?
    /// When its connection is ready.
    var joins: Double
    /// For so long after that it works five times slower.
    var coldSeconds: Double
    fileprivate var busy = 0
    fileprivate var waiting: [Int] = []
    /// Over the last second or so: the share of its places that was busy, and the calls that have ended.
    fileprivate var utilization = 0.0
    fileprivate var callsPerSecond = 0.0
    fileprivate var measuredAt = 0.0

    init(joins: Double = 0, coldSeconds: Double = 0) {
      self.joins = joins
      self.coldSeconds = coldSeconds
    }
  }

  /// How the times of one method's calls are spread around its mean.
  enum Spread: CaseIterable {
    /// Always the same, within 2 %.
    case fixed
    case exponential
    /// A long tail: sigma 1.
    case logNormal
  }

  /// What is called, and how often.
  struct Method {
    var share = 1.0
    var meanSeconds = 0.01
  }

  struct Call {
    let start: Double
    var method = 0
    var pod = 0
    var end = Double.infinity
    var code = StatusCode.ok
    fileprivate var subchannel: Subchannel?
    fileprivate var ended: (@Sendable (PickEnd) -> Void)?
  }

  private enum Event {
    case arrival
    case finished(Int)
    case deadline(Int)
    case joins(Int)
    case sample
  }

  private struct Entry {
    let time: Double
    let number: Int
    let event: Event
  }

  private let deadline: Double
  /// Whether anybody does.
  private let readsReports: Bool

  private let channel: FakeChannel
  private(set) var pods: [Pod]
  private(set) var calls: [Call] = []
  /// Where a pod joins: the calls outstanding on each pod, every 10 ms.
  private(set) var samples: [(time: Double, counts: [Int])] = []
  /// How often a server has been ejected, and when one came back.
  private(set) var ejections = 0
  private(set) var readmissions: [Double] = []
  private let spread: Spread
  private let methods: [Method]
  private let slots: Int
  private let rate: Double
  private let seconds: Double
  private var random: SeededGenerator
  private var queue: [Entry] = []
  private var nextNumber = 0
  private var now = 0.0

  /// - Parameter slots: Calls that a pod works on at once; more wait there.
  init(
    _ candidate: Candidate, pods: [Pod], rate: Double, seconds: Double, seed: UInt64, spread: Spread = .exponential,
    methods: [Method] = [Method()], slots: Int = 8, deadline: Double = 2
  ) throws {
    self.deadline = deadline
    readsReports = candidate == .weightedRoundRobin
    channel = try FakeChannel(candidate, seed: seed &* 7919 &+ 11)
    self.pods = pods
    self.spread = spread
    self.methods = methods
    self.slots = slots
    self.rate = rate
    self.seconds = seconds
    random = SeededGenerator(state: seed &* 104_729 &+ 17)
  }

  func run() {
    let first = pods.indices.filter { pods[$0].joins == 0 }
    channel.update(first)
    channel.makeReady(first)
    for pod in pods.indices where pods[pod].joins > 0 { schedule(.joins(pod), at: pods[pod].joins) }
    schedule(.arrival, at: exponential(1 / rate))
    if pods.contains(where: { $0.joins > 0 }) { schedule(.sample, at: 0) }
    while let entry = pop() {
      now = entry.time
      channel.time = .nanoseconds(Int64(now * 1e9))
      handle(entry.event)
    }
  }

  private func handle(_ event: Event) {
    switch event {
    case .arrival:
      arrive()
      let next = now + exponential(1 / rate)
      if next < seconds { schedule(.arrival, at: next) }
    case .finished(let call): finish(call, .ok)
    case .deadline(let call): end(call, .deadlineExceeded, .local)
    case .joins(let pod):
      let there = pods.indices.filter { pods[$0].joins <= now }
      channel.update(there)
      channel.makeReady([pod])
    case .sample:
      samples.append((now, pods.indices.map { channel.subchannels[channel.id($0)]?.outstandingCalls ?? 0 }))
      if now + 0.01 < seconds { schedule(.sample, at: now + 0.01) }
    }
  }

  private func arrive() {
    let picked = channel.pick()
    guard let subchannel = picked.subchannel, case .tcp(_, let pod)? = subchannel.endpoint.addresses.first
    else { return }
    let number = calls.count
    calls.append(Call(start: now, method: drawnMethod(), pod: pod, subchannel: subchannel))
    if case .attempt(let pick) = picked { calls[number].ended = pick.ended }
    subchannel.callStarted()
    schedule(.deadline(number), at: now + deadline)
    switch pods[pod].conduct {
    case .works:
      if pods[pod].busy < slots { begin(number) } else { pods[pod].waiting.append(number) }
    case .hangs: break
    case .failsFast: schedule(.finished(number), at: now + 0.0001)
    }
  }

  private func begin(_ call: Int) {
    measure(calls[call].pod)
    let pod = pods[calls[call].pod]
    pods[calls[call].pod].busy += 1
    let isCold = now < pod.joins + pod.coldSeconds
    let mean = methods[calls[call].method].meanSeconds * (pod.isSlow.contains(now) ? pod.slowness : 1)
    var end = now + drawn(mean * (isCold ? 5 : 1))
    if let pause = pod.pause {
      let begun = end.truncatingRemainder(dividingBy: pause.every)
      if begun < pause.for { end += pause.for - begun }
    }
    schedule(.finished(call), at: end)
  }

  private func drawnMethod() -> Int {
    guard methods.count > 1 else { return 0 }
    var left = uniform() * methods.map(\.share).reduce(0, +)
    return methods.firstIndex { method in
      left -= method.share
      return left < 0
    } ?? 0
  }

  /// A call's time.
  private func drawn(_ mean: Double) -> Double {
    switch spread {
    case .fixed: mean * (0.99 + 0.02 * uniform())
    case .exponential: exponential(mean)
    case .logNormal: mean * exp(-0.5 + sqrt(-2 * log(1 - uniform())) * cos(2 * .pi * uniform()))
    }
  }

  private func finish(_ call: Int, _ code: StatusCode) {
    let pod = calls[call].pod
    if case .failsFast = pods[pod].conduct { return end(call, .unavailable, .peer) }
    measure(pod)
    pods[pod].busy -= 1
    pods[pod].callsPerSecond += 1
    end(call, code, .peer)
    if !pods[pod].waiting.isEmpty { begin(pods[pod].waiting.removeFirst()) }
  }

  /// What a server would say of itself in load reports.
  private func measure(_ pod: Int) {
    let decay = exp(pods[pod].measuredAt - now)
    pods[pod].measuredAt = now
    pods[pod].utilization = pods[pod].utilization * decay + Double(pods[pod].busy) / Double(slots) * (1 - decay)
    pods[pod].callsPerSecond *= decay
  }

  private func trailers(of pod: Int) -> Metadata {
    var report = LoadReport()
    report.cpuUtilization = pods[pod].utilization
    report.queriesPerSecond = pods[pod].callsPerSecond
    var trailers = Metadata()
    trailers[binary: "endpoint-load-metrics-bin"] = report.protobuf()
    return trailers
  }

  /// For the caller; a pod works on what its caller has given up.
  private func end(_ call: Int, _ code: StatusCode, _ origin: StatusError.Origin) {
    guard let subchannel = calls[call].subchannel.take() else { return }
    calls[call].end = now
    calls[call].code = code
    let nanoseconds = Int64((now - calls[call].start) * 1e9)
    let duration = Duration.nanoseconds(nanoseconds)
    let changes = [
      subchannel.callEnded(code: code, origin: origin),
      subchannel.unaryCallEnded(method: calls[call].method + 1, nanoseconds: nanoseconds, code: code),
    ]
    for case let change? in changes {
      switch change {
      case .ejected: ejections += 1
      case .readmitted: readmissions.append(now)
      }
    }
    if let ended = calls[call].ended.take() {
      let trailers = origin == .peer && readsReports ? trailers(of: calls[call].pod) : Metadata()
      ended(PickEnd(code: code, origin: origin, wasSent: true, trailingMetadata: trailers, duration: duration))
    }
    channel.ended([CallReport(subchannel: subchannel.id, code: code, origin: origin, duration: duration)])
  }

  private func exponential(_ mean: Double) -> Double { -log(1 - uniform()) * mean }

  /// From 0 up to 1.
  private func uniform() -> Double { Double(random.next() >> 11) * 0x1p-53 }

  // MARK: The queue, a binary heap

  private static func isBefore(_ left: Entry, _ right: Entry) -> Bool {
    (left.time, left.number) < (right.time, right.number)
  }

  private func schedule(_ event: Event, at time: Double) {
    nextNumber += 1
    queue.append(Entry(time: time, number: nextNumber, event: event))
    var index = queue.count - 1
    while index > 0, Simulator.isBefore(queue[index], queue[(index - 1) / 2]) {
      queue.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private func pop() -> Entry? {
    guard let first = queue.first else { return nil }
    let last = queue.removeLast()
    guard !queue.isEmpty else { return first }
    queue[0] = last
    var index = 0
    while true {
      var smallest = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < queue.count && Simulator.isBefore(queue[child], queue[smallest]) { smallest = child }
      guard smallest != index else { return first }
      queue.swapAt(index, smallest)
      index = smallest
    }
  }
}

// What came of it.
extension Simulator {
  func share(of pod: Int, since start: Double = 0) -> Double {
    let counted = calls.filter { $0.start >= start }
    return Double(counted.count { $0.pod == pod }) / Double(max(1, counted.count))
  }

  /// The busiest pod's calls over the mean.
  var skew: Double {
    let counts = pods.indices.map { pod in calls.count { $0.pod == pod } }
    return Double(counts.max()!) * Double(pods.count) / Double(max(1, calls.count))
  }

  /// In milliseconds, of all calls; one that nobody answered took until its deadline.
  func percentile(_ part: Double, since start: Double = 0) -> Double {
    let times = calls.filter { $0.start >= start }.map { ($0.end - $0.start) * 1000 }.sorted()
    return times.isEmpty ? 0 : times[min(times.count - 1, Int(Double(times.count) * part))]
  }

  func failures(from start: Double = 0, to end: Double = .infinity) -> Int {
    calls.count { $0.start >= start && $0.start < end && $0.code != .ok }
  }

  /// The mean of one pod's outstanding calls over the mean of all pods', between two times.
  func outstandingRatio(of pod: Int, from start: Double, to end: Double) -> Double {
    let window = samples.filter { $0.time >= start && $0.time < end }
    let own = window.map { Double($0.counts[pod]) }.reduce(0, +)
    let all = window.map { Double($0.counts.reduce(0, +)) / Double($0.counts.count) }.reduce(0, +)
    return all == 0 ? 0 : own / all
  }
}
