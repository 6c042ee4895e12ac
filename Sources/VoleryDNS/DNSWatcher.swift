import Synchronization
import VoleryEventLoops
import VoleryNameResolution
import VoleryTypes

/// Watches one name for everybody in the process who has a channel to it.
final class DNSWatcher: @unchecked Sendable {  // Isolation: loop
  struct Key: Hashable, Sendable {
    let query: DNSQuery
    let interval: Duration
  }

  typealias Listener = @Sendable (ResolverUpdate) -> Bool

  /// One look-up, from its start until every part is answered.
  private final class Round {
    let number: Int
    var lookup: DNSLookup?
    var answers: [DNSPart: DNSAnswer] = [:]
    /// Its end for the schedule: a part that is answered late changes nothing in that.
    var isReported = false
    var grace: LoopTimer?
    var limit: LoopTimer?

    init(_ number: Int) { self.number = number }

    func cancel() {
      grace?.cancel()
      limit?.cancel()
      lookup?.cancel()
    }
  }

  private let key: Key
  private let loop: EventLoop
  // On the loop only.
  private var listeners: [Int: Listener] = [:]
  private var schedule: RefreshSchedule
  private var timer: LoopTimer?
  /// Those that wait for answers, oldest first. A server that is slow, or does not answer one question, holds up none of
  /// the later ones.
  private var rounds: [Round] = []
  private var roundCount = 0
  /// Which round each part was last answered by: later answers of earlier rounds are old.
  private var newest: [DNSPart: Int] = [:]
  private var lastGood: [DNSPart: DNSAnswer] = [:]
  private var lastUpdate: ResolverUpdate?
  private var hasPublished = false
  private let memory = DNSMemory()
  private var configReader = TextConfigReader()

  /// How long an answer waits for the one of the other family (RFC 8305, 3), and for the first service config.
  private static let resolutionDelay = Duration.milliseconds(50)
  private static let configDelay = Duration.milliseconds(250)
  /// A look-up that takes longer is given up.
  private static let lookupLimit = Duration.seconds(30)
  private static let maxRounds = 3

  init(_ key: Key, loop: EventLoop) {
    self.key = key
    self.loop = loop
    schedule = RefreshSchedule(interval: key.interval) { Double.random(in: -1...1) }
  }

  // MARK: Listeners

  func add(_ id: Int, _ listener: @escaping Listener) {
    loop.execute { [self] in
      listeners[id] = listener
      if let lastUpdate { _ = listener(lastUpdate) }
      if listeners.count == 1 { advance() }
    }
  }

  func remove(_ id: Int) {
    loop.execute { [self] in
      listeners[id] = nil
      if listeners.isEmpty { stop() }
    }
  }

  func resolveNow(_ cause: ResolveCause) {
    loop.execute { [self] in
      guard !listeners.isEmpty else { return }
      schedule.asked(cause)
      advance()
    }
  }

  private func stop() {
    timer?.cancel()
    for round in rounds { round.cancel() }
    rounds = []
    lastUpdate = nil  // Old when somebody comes again; what was good stays, for when DNS is down then.
    schedule.restart()
  }

  // MARK: Looking up

  private func advance() {
    timer?.cancel()
    switch schedule.next(isRunning: rounds.last.map { !$0.isReported } ?? false, at: .now) {
    case .lookUp:
      begin()
      advance()
    case .wait(let delay):
      timer = loop.schedule(after: delay) { [weak self] in
        if let self, !listeners.isEmpty { advance() }
      }
    }
  }

  private func begin() {
    // The oldest has got furthest with its time-outs, and the newest asks what is true now.
    if rounds.count == DNSWatcher.maxRounds { rounds.remove(at: 1).cancel() }
    roundCount += 1
    let round = Round(roundCount)
    rounds.append(round)
    round.limit = loop.schedule(after: DNSWatcher.lookupLimit) { [weak self, weak round] in
      if let round { self?.gaveUp(round) }
    }
    round.lookup = DNSLookup(key.query, memory: memory, on: loop) { [weak self, weak round] part, answer in
      if let round { self?.answered(part, answer, round) }
    }
  }

  private func gaveUp(_ round: Round) {
    for part in key.query.parts where round.answers[part] == nil {
      round.answers[part] = .failed("no answer within \(DNSWatcher.lookupLimit)")
    }
    finish(round)
  }

  private func answered(_ part: DNSPart, _ answer: DNSAnswer, _ round: Round) {
    round.answers[part] = answer
    if round.answers.count == key.query.parts.count { return finish(round) }
    guard round.grace == nil, round.answers.contains(where: { $0.key != .config && $0.value.isFound }) else { return }
    let waitsForConfig = key.query.readsConfig && !hasPublished
    let delay = waitsForConfig ? DNSWatcher.configDelay : DNSWatcher.resolutionDelay
    round.grace = loop.schedule(after: delay) { [weak self, weak round] in
      // The other parts keep what they had; an answer that comes later is published then.
      if let round { self?.publish(round) }
    }
  }

  private func finish(_ round: Round) {
    // Earlier ones have nothing to say that would still be true.
    for other in rounds where other.number <= round.number { other.cancel() }
    rounds.removeAll { $0.number <= round.number }
    publish(round)
  }

  /// Tells the listeners what is known now.
  private func publish(_ round: Round) {
    let answers = round.answers.filter { part, _ in round.number >= newest[part] ?? 0 }
    for (part, answer) in answers {
      if case .failed = answer { continue }
      newest[part] = round.number
    }
    let knownBefore = DNSMerge.unordered(lastGood)
    if case .texts(let texts)? = answers[.config] { configReader.read(texts) }
    if case .none? = answers[.config] { configReader.read([]) }
    let update = DNSMerge.update(
      answers: answers, lastGood: &lastGood, query: key.query, config: configReader.current)
    let isFirst = !round.isReported
    round.isReported = true
    guard let update else {
      if isFirst { advance() }
      return
    }
    if case .failed = update, case .resolved? = lastUpdate {} else { lastUpdate = update }
    hasPublished = true
    let areUsable = listeners.values.map { $0(update) }.allSatisfy { $0 }
    guard isFirst else { return }
    var isUsable = areUsable
    if case .failed = update { isUsable = false }
    schedule.finished(isUsable: isUsable, isNew: DNSMerge.unordered(lastGood) != knownBefore, at: .now)
    advance()
  }
}
