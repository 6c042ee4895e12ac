import Synchronization
public import Tracing
public import VoleryObservation
import VoleryTypes

/// Makes spans of what channels and servers do, as gRFC A72 has them, by whatever tracer the program's swift-distributed-tracing
/// has: one for each call of a channel, one below it for each attempt, and one for each call of a server.
///
///     InstrumentationSystem.bootstrap(tracer)
///     let tracing = TracingObserver()
///     channelOptions.observers = [tracing]
///     serverOptions.observers = [tracing]
///
/// A call's span is a child of the task's own (`ServiceContext.current`). The attempt's context travels in the call's metadata, in
/// the form that the tracer gives it (W3C's `traceparent` with most), and the server's span is its child. A server's handler runs in
/// its span's context, so that calls that it makes belong to the same trace.
///
/// A traced call is the same call: nothing stands around it. Spans hold names, numbers and codes: no message, and no metadata.
public final class TracingObserver: Observer {
  private let chosen: (any Tracer)?
  private let options: TracingOptions
  private let resolutions = ResolutionRecord()

  /// - Parameter tracer: Nil, the default: the one that is set up by `InstrumentationSystem.bootstrap` when a call begins.
  public init(tracer: (any Tracer)? = nil, options: TracingOptions = TracingOptions()) {
    chosen = tracer
    self.options = options
  }

  private var tracer: any Tracer { chosen ?? InstrumentationSystem.tracer }

  /// Called by the channel or server that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    ClientCallSpan(
      call, tracer, options, resolutions: resolutions, waitsForName: !resolutions.hasResolved(call.channel.id))
  }

  /// Called by the channel or server that it observes; nil: nothing is to be told of this call.
  public func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
    ServerCallSpan(call, tracer, options)
  }

  /// Called by the channel or server that it observes.
  public func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    switch event {
    case .resolved: resolutions.resolved(channel.id)
    case .stateChanged(.idle), .closed: resolutions.forget(channel.id)
    default: return
    }
  }
}

/// Which channels' names are resolved, and since when.
final class ResolutionRecord: Sendable {
  private let times = Mutex<[Int: DefaultTracerClock.Timestamp]>([:])

  func resolved(_ channel: Int) {
    times.withLock { times in
      if times[channel] == nil { times[channel] = DefaultTracerClock.now }
    }
  }

  /// Its resolver rests: the next call waits for it again.
  func forget(_ channel: Int) { times.withLock { $0[channel] = nil } }

  func hasResolved(_ channel: Int) -> Bool { times.withLock { $0[channel] != nil } }

  /// When it was resolved first since its resolver has begun.
  func time(_ channel: Int) -> DefaultTracerClock.Timestamp? { times.withLock { $0[channel] } }
}
