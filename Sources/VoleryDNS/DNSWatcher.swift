import Synchronization
import VoleryEventLoops
import VoleryNameResolution
import VoleryTypes

/// Watches one name for everybody in the process who has a channel to it.
final class DNSWatcher: @unchecked Sendable {
  struct Key: Hashable, Sendable {
    let server: String?
    let host: String
    let port: Int
    let interval: Duration
  }

  typealias Listener = @Sendable (ResolverUpdate) -> Bool

  private let key: Key
  private let loop: EventLoop
  // On the loop only.
  private var listeners: [Int: Listener] = [:]
  private var schedule: RefreshSchedule
  private var timer: LoopTimer?
  private var grace: LoopTimer?
  private var lookup: DNSLookup?
  private var answers: [DNSLookup.Family: DNSAnswer] = [:]
  private var lastGood: [DNSLookup.Family: [String]] = [:]
  private var lastUpdate: ResolverUpdate?
  private var knownBefore: [DNSLookup.Family: Set<String>] = [:]
  private var isRunningFirst = true

  /// How long an answer waits for the one of the other family (RFC 8305, 3).
  private static let resolutionDelay = Duration.milliseconds(50)
  /// A look-up that takes longer is given up.
  private static let lookupLimit = Duration.seconds(30)

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
      if listeners.count == 1 { look(.poll) }
    }
  }

  func remove(_ id: Int) {
    loop.execute { [self] in
      listeners[id] = nil
      if listeners.isEmpty { stop() }
    }
  }

  func resolveNow() {
    loop.execute { [self] in
      if !listeners.isEmpty { look(.asked) }
    }
  }

  private func stop() {
    timer?.cancel()
    grace?.cancel()
    lookup?.cancel()
    if lookup != nil { _ = schedule.finished(isUsable: true, isNew: true, at: .now) }
    lookup = nil
  }

  // MARK: Looking up

  /// Without the order, which name servers change from answer to answer.
  private var known: [DNSLookup.Family: Set<String>] { lastGood.mapValues(Set.init) }

  private func look(_ cause: RefreshSchedule.Cause) { follow(schedule.due(cause, at: .now)) }

  private func follow(_ decision: RefreshSchedule.Decision) {
    switch decision {
    case .nothing: return
    case .wait(let delay, let cause):
      timer?.cancel()
      timer = loop.schedule(after: delay) { [self] in
        if !listeners.isEmpty { look(cause) }
      }
    case .lookUp:
      timer?.cancel()
      timer = loop.schedule(after: DNSWatcher.lookupLimit) { [self] in gaveUp() }
      answers = [:]
      knownBefore = known
      lookup = DNSLookup(name: key.host, server: key.server, on: loop) { [weak self] in self?.answered($0, $1) }
    }
  }

  private func gaveUp() {
    for family in [DNSLookup.Family.ipv4, .ipv6] where answers[family] == nil {
      answers[family] = .failed("no answer within \(DNSWatcher.lookupLimit)")
    }
    finish()
  }

  private func answered(_ family: DNSLookup.Family, _ answer: DNSAnswer) {
    answers[family] = answer
    if answers.count == 2 { return finish() }
    guard case .addresses = answer else { return }
    grace = loop.schedule(after: DNSWatcher.resolutionDelay) { [self] in
      // The other family keeps what it had; its answer, when it comes, is published then.
      publish()
    }
  }

  private func finish() {
    grace?.cancel()
    lookup?.cancel()
    lookup = nil
    let isUsable = publish()
    follow(schedule.finished(isUsable: isUsable, isNew: known != knownBefore, at: .now))
  }

  /// Tells the listeners what is known; false when that is nothing, or somebody could not use it.
  @discardableResult
  private func publish() -> Bool {
    let update = DNSMerge.update(answers: answers, lastGood: &lastGood, host: key.host, port: key.port)
    if case .failed = update, case .resolved? = lastUpdate {} else { lastUpdate = update }
    let areUsable = listeners.values.map { $0(update) }
    if case .failed = update { return false }
    return areUsable.allSatisfy { $0 }
  }
}
