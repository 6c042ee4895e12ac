import VoleryTransport
import VoleryTypes

/// Whose stream it is. In the channel's control plane.
protocol StandingWatchOwner: AnyObject {
  /// Asked for each stream; nil: nothing is to be asked now.
  func makeQuestion() -> ServerWatch.Question?
  /// What the stream that is open has brought.
  func heard(_ event: ServerWatch.Event)
}

/// One stream beside a subchannel's calls, on its oldest connection: opened when it is asked for, and again after the connection's
/// backoff. Its owner says what the server is asked, and what becomes of the answers. In the channel's control plane.
final class StandingWatch: @unchecked Sendable {  // Isolation: loop
  private unowned let core: ChannelCore
  weak var owner: (any StandingWatchOwner)?
  private weak var connection: ChannelConnection?
  private var watch: ServerWatch?
  private var watchNumber = 0
  private var timer: (any TransportTimer)?
  private var backoff: Backoff
  private var startedAt: ChannelClock.Instant

  init(core: ChannelCore) {
    self.core = core
    backoff = Backoff(core.options.backoff)
    startedAt = core.clock.now()
  }

  var hasConnection: Bool { connection != nil }

  /// The subchannel's connections, oldest first. Returns whether it has another one now: without a stream, until that is asked for.
  func connectionsChanged(_ connections: [ChannelConnection]) -> Bool {
    if let connection, connections.contains(where: { $0 === connection }) { return false }
    stop()
    guard let next = connections.first else { return false }
    connection = next
    return true
  }

  /// Nothing is asked until there is another connection.
  func stop() {
    end()
    connection = nil
  }

  /// The stream that is open is not wanted any more, nor the next one.
  func end() {
    timer.take()?.cancel()
    watch.take()?.cancel()
  }

  func start(after delay: Duration) {
    timer?.cancel()
    timer = core.loop.scheduleTimer(after: delay) { [weak self] in self?.start() }
  }

  func start() {
    timer = nil
    guard let connection = connection?.connection, let question = owner?.makeQuestion() else { return }
    startedAt = core.clock.now()
    watchNumber += 1
    // The channel lives at least until what was heard is told.
    let watch = ServerWatch(on: connection, question) { [weak self, weak core, watchNumber] event in
      guard let core else { return }
      core.loop.execute { [weak self] in withExtendedLifetime(core) { self?.happened(event, to: watchNumber) } }
    }
    self.watch = watch
    watch.start()
  }

  private func happened(_ event: ServerWatch.Event, to number: Int) {
    guard watch != nil, number == watchNumber else { return }
    switch event {
    case .message: break
    case .noRoom, .ended: watch = nil
    }
    owner?.heard(event)
  }

  /// What the server has said is as it should be: after the stream's end the first wait is the shortest one again.
  func isWell() { backoff.reset() }

  /// The stream has ended, or is given up for what the server has said: there is another one after the backoff.
  func startAgain() {
    watch.take()?.cancel()
    let wait = backoff.failed(random: core.clock.random())
    start(after: max(wait - startedAt.duration(to: core.clock.now()), .zero))
  }
}
