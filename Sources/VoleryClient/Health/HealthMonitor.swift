import Logging
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Keeps one Watch on a ready subchannel's oldest connection, and says what it hears (gRFC A17). In the channel's control plane.
final class HealthMonitor: StandingWatchOwner, @unchecked Sendable {  // Isolation: loop
  /// Without a health service in the service config, a server is asked so long after it has answered a call: short-lived
  /// programs don't ask at all, and neither does a connection that nobody uses.
  static let adviceDelay = Duration.milliseconds(50)

  private unowned let core: ChannelCore
  private let service: String?
  private let tell: (HealthGate.Verdict) -> Void
  private let watch: StandingWatch
  private var hasAnswered: Bool

  /// - Parameters:
  ///   - service: As the service config has it; nil: the server as a whole, for advice.
  ///   - hasAnswered: The server has answered a call.
  ///   - heard: Called in the control plane.
  init(service: String?, hasAnswered: Bool, core: ChannelCore, heard: @escaping (HealthGate.Verdict) -> Void) {
    self.core = core
    self.service = service
    self.hasAnswered = hasAnswered
    tell = heard
    watch = StandingWatch(core: core)
    watch.owner = self
  }

  /// The subchannel's connections, oldest first.
  func connectionsChanged(_ connections: [ChannelConnection]) {
    guard watch.connectionsChanged(connections) else { return }
    if service != nil {
      watch.start()
    } else if hasAnswered {
      watch.start(after: HealthMonitor.adviceDelay)
    }
  }

  /// The first call on a new connection was answered.
  func callAnswered() {
    guard !hasAnswered else { return }
    hasAnswered = true
    if service == nil, watch.hasConnection { watch.start(after: HealthMonitor.adviceDelay) }
  }

  /// There is a new connection to what may be a new server.
  func connectionOpened() { hasAnswered = false }

  func stop() { watch.stop() }

  func makeQuestion() -> ServerWatch.Question? {
    ServerWatch.Question(
      path: HealthMessages.path, authority: core.authority, message: HealthMessages.request(service: service ?? ""),
      maxAnswerBytes: 1024, isOnlyAdvice: service == nil)
  }

  func heard(_ event: ServerWatch.Event) {
    switch event {
    case .message(let message):
      guard let status = HealthMessages.status(of: message) else { return ended(ServerWatch.unreadable) }
      watch.isWell()
      tell(verdict(status))
    case .noRoom: tell(.serving)
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
    if status.code == .unimplemented {
      if service != nil {
        core.options.logger.error(
          "the server has no health service, and is taken for healthy", metadata: ["target": "\(core.target)"])
      }
      return tell(.serving)
    }
    tell(service == nil ? .serving : .notServing("its health check failed: \(String(foreign: "\(status)"))"))
    watch.startAgain()
  }
}
