import CoreMetrics
import VoleryObservation
import VoleryTypes

/// All servers' metrics together: gRFC A66 has no label for which one.
final class ServerMetrics: Sendable {
  private let methods: MethodTable<ServerMethodMetrics>
  private let options: MetricsOptions
  private let openConnections: any MeterHandler
  private let connections: any CounterHandler
  private let refused: any CounterHandler
  private let drains: any CounterHandler
  private let draining: any MeterHandler

  init(_ instruments: Instruments) {
    options = instruments.options
    methods = MethodTable(limit: options.maxMethods) { ServerMethodMetrics($0, instruments) }
    openConnections = instruments.upDownCounter(.serverOpenConnections, [])
    connections = instruments.counter(.serverConnections, [])
    refused = instruments.counter(.serverRefusedConnections, [])
    drains = instruments.counter(.serverDrains, [])
    draining = instruments.upDownCounter(.serverDraining, [])
  }

  func callStarted(_ call: borrowing ObservedServerCall) -> ServerMethodMetrics {
    let hasName = call.isRegistered || options.recordsUnregisteredMethod(call.method.path)
    let metrics = methods[hasName ? call.method : nil]
    metrics.callStarted()
    return metrics
  }

  /// - Parameter wasDraining: Whether it has been told of this server that it drains.
  func happened(_ event: ServerEvent, wasDraining: Bool) {
    switch event {
    case .listening: break
    case .connectionRefused: refused.increment(by: 1)
    case .connectionOpened:
      connections.increment(by: 1)
      openConnections.change(by: 1)
    case .connectionClosed: openConnections.change(by: -1)
    case .draining:
      drains.increment(by: 1)
      if !wasDraining { draining.change(by: 1) }
    case .stopped: if wasDraining { draining.change(by: -1) }
    }
  }
}

/// One method's, for all of its calls: nothing is made for a call.
final class ServerMethodMetrics: ServerCallObserver {
  /// An object, which is handed out as one.
  private final class Outcome: Sendable {
    let duration: (any TimerHandler)?
    let rpcDuration: (any TimerHandler)?
    let sent: any RecorderHandler
    let received: any RecorderHandler

    init(
      duration: (any TimerHandler)?, rpcDuration: (any TimerHandler)?, sent: any RecorderHandler,
      received: any RecorderHandler
    ) {
      self.duration = duration
      self.rpcDuration = rpcDuration
      self.sent = sent
      self.received = received
    }

    func count(_ end: ServerCallEnd) {
      duration?.recordNanoseconds(end.nanoseconds)
      rpcDuration?.recordNanoseconds(end.nanoseconds)
      sent.record(Int64(end.sent.bytes))
      received.record(Int64(end.received.bytes))
    }
  }

  private let started: any CounterHandler
  private let outcomes: Outcomes<Outcome>

  /// - Parameter method: Nil: all that have no name of their own.
  init(_ method: MethodDescriptor?, _ instruments: Instruments) {
    let name = method?.fullName ?? Instruments.other
    started = instruments.counter(.serverCallStarted, [("grpc.method", name)])
    let conventions = instruments.options.conventions
    outcomes = Outcomes { code in
      let labels = [("grpc.method", name), ("grpc.status", code.description)]
      let isError = code.isServerError
      return Outcome(
        duration: conventions.usesGRPC ? instruments.timer(.serverCallDuration, labels) : nil,
        rpcDuration: conventions.usesOpenTelemetry
          ? instruments.timer(.rpcServerCallDuration, .openTelemetry(method, code, isError: isError)) : nil,
        sent: instruments.histogram(.serverCallSent, labels),
        received: instruments.histogram(.serverCallReceived, labels))
    }
  }

  var hearsMessages: Bool { false }

  func callStarted() { started.increment(by: 1) }

  func ended(_ end: ServerCallEnd) { outcomes[end.code].count(end) }
}
