import Synchronization
public import VoleryServer
import VoleryTypes
import VoleryWellKnownTypes

/// `xds.service.orca.v3.OpenRcaService`: says how busy the server is, to clients that ask to hear of it by itself (gRFC A51,
/// out-of-band reports), such as those whose policy is `weighted_round_robin` with `enableOobLoadReport`.
///
///     let load = LoadRecorder()
///     let server = Server(services: [Orders(), LoadReporting(load)])
///
/// A report comes at once, and then one at each interval that the client wants, changed or not. Streams end when the server begins
/// to drain.
public struct LoadReporting: Service {
  private let answers: LoadReportAnswers

  /// - Parameters:
  ///   - recorder: What the reports say.
  ///   - minInterval: Between two reports; clients that want them sooner, or don't say when, get them at this. 30 seconds; at
  ///     least 1 ms.
  ///   - maxStreams: Streams that may be open at once; more are refused with RESOURCE_EXHAUSTED. Each client has one on each
  ///     connection, as a rule. 10,000.
  public init(_ recorder: LoadRecorder, minInterval: Duration = .seconds(30), maxStreams: Int = 10_000) {
    answers = LoadReportAnswers(
      recorder: recorder, minInterval: max(minInterval, .milliseconds(1)), streams: OpenStreams(limit: maxStreams))
  }

  /// The service's one method.
  public var handlers: [MethodHandler] { answers.handlers }

  /// For server reflection.
  public var fileDescriptors: [[UInt8]] { answers.fileDescriptors }
}

/// How many there are.
private final class OpenStreams: Sendable {
  private let limit: Int
  private let count = Atomic<Int>(0)

  init(limit: Int) { self.limit = limit }

  /// False: there are too many.
  func begin() -> Bool {
    guard count.add(1, ordering: .relaxed).newValue > limit else { return true }
    end()
    return false
  }

  func end() { count.subtract(1, ordering: .relaxed) }
}

private struct LoadReportAnswers: WireOpenRcaService {
  /// Longer than anybody wants to wait.
  private static let maxInterval = Duration.seconds(86_400)

  let recorder: LoadRecorder
  let minInterval: Duration
  let streams: OpenStreams

  func streamCoreMetrics(
    _ request: WireOrcaLoadReportRequest, responses: ResponseWriter<WireOrcaLoadReport>, context: ServerContext
  ) async throws {
    guard streams.begin() else {
      throw StatusError(.resourceExhausted, "too many streams of load reports are open")
    }
    defer { streams.end() }
    let wanted = request.reportInterval?.duration ?? .zero
    let interval = min(max(wanted, minInterval), LoadReportAnswers.maxInterval)
    try await context.untilServerDrains { [recorder] in
      while true {
        try await responses.write(WireOrcaLoadReport(recorder.report))
        try await Task.sleep(for: interval)
      }
    }
  }
}

extension WireOrcaLoadReport {
  /// Of the server as a whole: without what calls cost.
  init(_ report: LoadReport) {
    let report = report.sane
    self.init(
      cpuUtilization: report.cpuUtilization, memUtilization: report.memoryUtilization, utilization: report.utilization,
      rpsFractional: report.queriesPerSecond, eps: report.errorsPerSecond, namedMetrics: report.namedMetrics,
      applicationUtilization: report.applicationUtilization)
  }
}
