import Logging
import VoleryLoadBalancing
import VoleryPrimitives
import VoleryTransport
import VoleryTypes

/// Keeps one stream of load reports on a ready subchannel's oldest connection while somebody watches, and passes on what it hears
/// (gRFC A51). In the channel's control plane.
final class LoadMonitor: StandingWatchOwner, @unchecked Sendable {  // Isolation: loop
  private static let path = "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics"

  private unowned let core: ChannelCore
  private let endpoint: Endpoint
  private let watch: StandingWatch
  private var watches: [LoadWatch] = []
  /// What the server was asked for.
  private var interval: Duration?
  /// The connection's server has no such service, and is not asked again.
  private var isRefused = false

  init(endpoint: Endpoint, core: ChannelCore) {
    self.endpoint = endpoint
    self.core = core
    watch = StandingWatch(core: core)
    watch.owner = self
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
    guard watch.connectionsChanged(connections) else { return }
    isRefused = false
    watch.isWell()
    watch.start()
  }

  func stop() { watch.stop() }

  /// A server learns of another interval only from another stream.
  private func intervalChanged() {
    guard watch.hasConnection, !isRefused, watches.map(\.interval).min() != interval else { return }
    watch.end()
    interval = nil
    watch.start()
  }

  func makeQuestion() -> ServerWatch.Question? {
    interval = watches.map(\.interval).min()
    return interval.map { interval in
      ServerWatch.Question(
        path: LoadMonitor.path, authority: core.authority, message: LoadMonitor.request(every: interval),
        maxAnswerBytes: LoadReport.maxByteCount, isOnlyAdvice: true)
    }
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

  func heard(_ event: ServerWatch.Event) {
    switch event {
    case .message(let bytes):
      guard let report = LoadReport(protobuf: bytes) else { return watch.startAgain() }
      watch.isWell()
      for watch in watches { watch.heard(report) }
    case .noRoom: break
    case .ended(let status) where status.code == .unimplemented:
      isRefused = true
      let text = "the server does not report its load by itself: it has no xds.service.orca.v3.OpenRcaService"
      core.options.logger.error("\(text)", metadata: ["target": "\(core.target)", "server": "\(endpoint)"])
    case .ended: watch.startAgain()
    }
  }
}
