import Logging
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Keeps one Watch on a ready subchannel's oldest connection, opens it again with a backoff when it ends, and says what it
/// hears (gRFC A17). In the channel's control plane.
final class HealthMonitor: @unchecked Sendable {  // Isolation: loop
  /// Without a health service in the service config, a server is asked so long after it has answered a call: short-lived
  /// programs don't ask at all, and neither does a connection that nobody uses.
  static let adviceDelay = Duration.milliseconds(50)

  private unowned let core: ChannelCore
  private let service: String?
  private let heard: (HealthGate.Verdict) -> Void
  private weak var connection: ChannelConnection?
  private var hasAnswered: Bool
  private var watch: ServerWatch?
  private var watchNumber = 0
  private var timer: (any TransportTimer)?
  private var backoff = Backoff()
  private var startedAt: ChannelClock.Instant

  /// - Parameters:
  ///   - service: As the service config has it; nil: the server as a whole, for advice.
  ///   - hasAnswered: The server has answered a call.
  ///   - heard: Called in the control plane.
  init(service: String?, hasAnswered: Bool, core: ChannelCore, heard: @escaping (HealthGate.Verdict) -> Void) {
    self.core = core
    self.service = service
    self.hasAnswered = hasAnswered
    self.heard = heard
    startedAt = core.clock.now()
  }

  /// The subchannel's connections, oldest first.
  func connectionsChanged(_ connections: [ChannelConnection]) {
    if let connection, connections.contains(where: { $0 === connection }) { return }
    stop()
    guard let next = connections.first else { return }
    connection = next
    if service != nil {
      start()
    } else if hasAnswered {
      schedule(after: HealthMonitor.adviceDelay)
    }
  }

  /// The first call on a new connection was answered.
  func callAnswered() {
    guard !hasAnswered else { return }
    hasAnswered = true
    if service == nil, connection != nil { schedule(after: HealthMonitor.adviceDelay) }
  }

  /// There is a new connection to what may be a new server.
  func connectionOpened() { hasAnswered = false }

  func stop() {
    timer.take()?.cancel()
    watch.take()?.cancel()
    connection = nil
  }

  private func schedule(after delay: Duration) {
    timer?.cancel()
    timer = core.loop.scheduleTimer(after: delay) { [weak self] in self?.start() }
  }

  private func start() {
    timer = nil
    guard let connection = connection?.connection else { return }
    startedAt = core.clock.now()
    watchNumber += 1
    let question = ServerWatch.Question(
      path: HealthMessages.path, authority: core.authority, message: HealthMessages.request(service: service ?? ""),
      maxAnswerBytes: 1024, isOnlyAdvice: service == nil)
    // The channel lives at least until what was heard is told.
    let watch = ServerWatch(on: connection, question) { [weak self, weak core, watchNumber] event in
      guard let core else { return }
      core.loop.execute { [weak self] in withExtendedLifetime(core) { self?.happened(event, to: watchNumber) } }
    }
    self.watch = watch
    watch.start()
  }

  private func happened(_ event: ServerWatch.Event, to number: Int) {
    guard let watch, number == watchNumber else { return }
    switch event {
    case .message(let message):
      guard let status = HealthMessages.status(of: message) else {
        watch.cancel()
        return ended(ServerWatch.unreadable)
      }
      backoff.reset()
      heard(verdict(status))
    case .noRoom:
      self.watch = nil
      heard(.serving)
    case .ended(let status): ended(status)
    }
  }

  private func verdict(_ status: Int) -> HealthGate.Verdict {
    if status == HealthMessages.serving { return .serving }
    // Without a service of its own in the config, only a clear no counts.
    if service == nil, status != HealthMessages.notServing { return .serving }
    let name = status == HealthMessages.notServing ? "NOT_SERVING" : "status \(status), not SERVING"
    return .notServing("its health check says \(name)\(service.map { " for \"\($0)\"" } ?? "")")
  }

  private func ended(_ status: Status) {
    watch = nil
    if status.code == .unimplemented {
      if service != nil {
        core.options.logger.error(
          "the server has no health service, and is taken for healthy", metadata: ["target": "\(core.target)"])
      }
      return heard(.serving)
    }
    heard(service == nil ? .serving : .notServing("its health check failed: \(String(foreign: "\(status)"))"))
    let wait = backoff.failed(random: core.clock.random())
    schedule(after: max(wait - startedAt.duration(to: core.clock.now()), .zero))
  }
}
