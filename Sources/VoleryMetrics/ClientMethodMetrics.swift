import CoreMetrics
import VoleryObservation
import VoleryTypes

/// One method's at one target, and of one value of the custom label where there is that.
final class ClientMethodMetrics: Sendable {
  private struct CallOutcome {
    let duration: (any TimerHandler)?
    let rpcDuration: (any TimerHandler)?
  }

  private let started: any CounterHandler
  private let calls: Outcomes<CallOutcome>
  private let attempts: AttemptOutcomes
  /// By place, where labels tell them apart.
  private let placedAttempts: BoundedTable<EndpointPlace, AttemptOutcomes>
  private let retries: MadeLater<any RecorderHandler>
  private let transparentRetries: MadeLater<any RecorderHandler>
  private let hedges: MadeLater<any RecorderHandler>
  private let retryDelay: MadeLater<any TimerHandler>
  private let queueTime: MadeLater<any TimerHandler>
  /// Of the same method, by the custom label's values but for the empty one, which is this. Asked where the label is asked for.
  let labelled: BoundedTable<String, ClientMethodMetrics>

  /// - Parameters:
  ///   - method: Nil: all that have no name of their own.
  ///   - custom: The custom label (gRFC A108).
  init(_ method: MethodDescriptor?, _ target: String, custom: String = "", _ instruments: Instruments) {
    labelled = BoundedTable(limit: custom.isEmpty ? instruments.options.maxCustomLabels : 0) {
      ClientMethodMetrics(method, target, custom: $0 ?? Instruments.other, instruments)
    }
    let labels =
      [("grpc.method", method?.fullName ?? Instruments.other), ("grpc.target", target)]
      + instruments.optional([.custom: custom])
    started = instruments.counter(.clientAttemptStarted, labels)
    let conventions = instruments.options.conventions
    calls = Outcomes { code in
      CallOutcome(
        duration: conventions.usesGRPC
          ? instruments.timer(.clientCallDuration, labels + [("grpc.status", code.description)]) : nil,
        rpcDuration: conventions.usesOpenTelemetry
          ? instruments.timer(
            .rpcClientCallDuration,
            Labels.openTelemetry(method, code, isError: code != .ok) + Labels.openTelemetry(target: target)) : nil)
    }
    attempts = AttemptOutcomes(labels, EndpointPlace(), instruments)
    queueTime = MadeLater { instruments.timer(.queueTime, labels) }
    retries = MadeLater { instruments.histogram(.clientCallRetries, labels) }
    transparentRetries = MadeLater { instruments.histogram(.clientCallTransparentRetries, labels) }
    hedges = MadeLater { instruments.histogram(.clientCallHedges, labels) }
    retryDelay = MadeLater { instruments.timer(.clientCallRetryDelay, labels) }
    placedAttempts = BoundedTable(limit: 100) { AttemptOutcomes(labels, $0 ?? EndpointPlace(), instruments) }
  }

  /// - Parameter place: Nil where labels don't tell places apart.
  func attemptStarted(at place: EndpointPlace?, waited: Duration) -> AttemptOutcomes {
    started.increment(by: 1)
    if waited > .zero { queueTime.value.recordNanoseconds(waited.nanoseconds) }
    guard let place else { return attempts }
    return placedAttempts[place]
  }

  func ended(_ end: CallEnd) {
    let outcome = calls[end.code]
    outcome.duration?.recordNanoseconds(end.nanoseconds)
    outcome.rpcDuration?.recordNanoseconds(end.nanoseconds)
    let attempts = end.attempts
    guard attempts.retries + attempts.transparentRetries + attempts.hedges > 0 else { return }
    count(attempts.retries, in: retries)
    count(attempts.transparentRetries, in: transparentRetries)
    count(attempts.hedges, in: hedges)
    retryDelay.value.recordNanoseconds(attempts.delay.nanoseconds)
  }

  /// None are not counted (gRFC A96).
  private func count(_ count: Int, in histogram: MadeLater<any RecorderHandler>) {
    if count > 0 { histogram.value.record(Int64(count)) }
  }
}

/// Attempts' outcomes by their codes.
final class AttemptOutcomes: Sendable {
  private struct Outcome {
    let duration: any TimerHandler
    let sent: any RecorderHandler
    let received: any RecorderHandler
  }

  private let outcomes: Outcomes<Outcome>

  init(_ labels: Labels, _ place: EndpointPlace, _ instruments: Instruments) {
    outcomes = Outcomes { code in
      let labels = labels + [("grpc.status", code.description)] + place.labels(instruments)
      return Outcome(
        duration: instruments.timer(.clientAttemptDuration, labels),
        sent: instruments.histogram(.clientAttemptSent, labels),
        received: instruments.histogram(.clientAttemptReceived, labels))
    }
  }

  /// - Parameter waited: Before the attempt, which is a part of its duration (gRFC A66).
  func ended(_ end: AttemptEnd, waited: Duration) {
    let outcome = outcomes[end.code]
    outcome.duration.recordNanoseconds(end.nanoseconds + (waited > .zero ? waited.nanoseconds : 0))
    outcome.sent.record(Int64(end.sent.bytes))
    outcome.received.record(Int64(end.received.bytes))
  }
}

extension Duration {
  /// At most what fits, which is 292 years.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return isOver ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
  }
}
