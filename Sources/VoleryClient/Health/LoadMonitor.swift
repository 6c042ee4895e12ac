import Logging
import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Keeps one stream of load reports on a ready subchannel's oldest connection while somebody watches, opens it again with a
/// backoff when it ends, and passes on what it hears (gRFC A51). In the channel's control plane.
final class LoadMonitor: @unchecked Sendable {  // Isolation: loop
  private static let path = "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics"

  private unowned let core: ChannelCore
  private let endpoint: Endpoint
  private var watches: [LoadWatch] = []
  private weak var connection: ChannelConnection?
  /// What the server was asked for.
  private var interval: Duration?
  private var watch: ServerWatch?
  private var watchNumber = 0
  private var timer: (any TransportTimer)?
  private var backoff: Backoff
  private var startedAt: ChannelClock.Instant

  init(endpoint: Endpoint, core: ChannelCore) {
    self.endpoint = endpoint
    self.core = core
    backoff = Backoff(core.options.backoff)
    startedAt = core.clock.now()
  }

  func add(_ watch: LoadWatch) {
    watches.append(watch)
    intervalChanged()
  }

  func remove(_ watch: LoadWatch) {
    watches.removeAll { $0 === watch }
    intervalChanged()
  }

  /// The subchannel's connections, oldest first.
  func connectionsChanged(_ connections: [ChannelConnection]) {
    if let connection, connections.contains(where: { $0 === connection }) { return }
    stop()
    guard let next = connections.first else { return }
    connection = next
    backoff.reset()
    start()
  }

  func stop() {
    endStream()
    connection = nil
  }

  private func endStream() {
    timer.take()?.cancel()
    watch.take()?.cancel()
    interval = nil
  }

  /// A server learns of another interval only from another stream.
  private func intervalChanged() {
    guard connection != nil, watches.map(\.interval).min() != interval else { return }
    endStream()
    start()
  }

  private func start() {
    timer = nil
    guard let connection = connection?.connection, let interval = watches.map(\.interval).min() else { return }
    self.interval = interval
    startedAt = core.clock.now()
    watchNumber += 1
    let question = ServerWatch.Question(
      path: LoadMonitor.path, authority: core.authority, message: LoadMonitor.request(every: interval),
      maxAnswerBytes: LoadReport.maxByteCount, isOnlyAdvice: true)
    // The channel lives at least until what was heard is told.
    let watch = ServerWatch(on: connection, question) { [weak self, weak core, watchNumber] event in
      guard let core else { return }
      core.loop.execute { [weak self] in withExtendedLifetime(core) { self?.happened(event, to: watchNumber) } }
    }
    self.watch = watch
    watch.start()
  }

  /// OrcaLoadReportRequest { google.protobuf.Duration report_interval = 1; }, framed.
  private static func request(every interval: Duration) -> MessageFrame {
    let (seconds, attoseconds) = interval.components
    var duration = WireWriter()
    if seconds > 0 { duration.append(varint: UInt64(seconds), field: 1) }
    let nanoseconds = attoseconds / 1_000_000_000
    if nanoseconds > 0 { duration.append(varint: UInt64(nanoseconds), field: 2) }
    var message = WireWriter()
    message.append(bytes: duration.bytes, field: 1)
    var sink = MessageSink()
    sink.write(message.bytes)
    return sink.finish()
  }

  private func happened(_ event: ServerWatch.Event, to number: Int) {
    guard let watch, number == watchNumber else { return }
    switch event {
    case .message(let bytes):
      guard let report = LoadReport(protobuf: bytes) else {
        watch.cancel()
        return ended(ServerWatch.unreadable)
      }
      backoff.reset()
      for watch in watches { watch.heard(report) }
    case .noRoom: self.watch = nil
    case .ended(let status): ended(status)
    }
  }

  private func ended(_ status: Status) {
    watch = nil
    if status.code == .unimplemented {
      let text = "the server does not report its load by itself: it has no xds.service.orca.v3.OpenRcaService"
      core.options.logger.error("\(text)", metadata: ["target": "\(core.target)", "server": "\(endpoint)"])
      return
    }
    let wait = backoff.failed(random: core.clock.random())
    timer = core.loop.scheduleTimer(after: max(wait - startedAt.duration(to: core.clock.now()), .zero)) { [weak self] in
      self?.start()
    }
  }
}
