import Synchronization
import VoleryObservation
import VoleryTypes

/// One channel. Hears of all of its calls: none has an object of its own.
final class ChannelRecord: CallObserver {
  /// What changes but for calls.
  struct State {
    var connectivity = ConnectivityState.idle
    var trace: EventTrace
    var isClosed = false
    /// By their ids.
    var subchannels: [Int: SubchannelRecord] = [:]
    /// Connections, those that outlive their subchannels included.
    var connections: Set<Int> = []
    /// Of the resolver's last answer, or why there was none: said again only when it is another.
    var resolution: Resolution?
  }

  enum Resolution: Equatable {
    case endpoints([Endpoint])
    case failure(StatusError)
  }

  let id: Int
  let target: String
  private weak let observed: ObservedChannel?
  private let connections: ConnectionTable
  private let calls = Mutex(CallTally())
  private let state: Mutex<State>

  init(_ channel: ObservedChannel, _ connections: ConnectionTable, maxTraceEvents: Int, at time: WallClockTime) {
    id = channel.id
    target = channel.target
    observed = channel
    self.connections = connections
    state = Mutex(State(trace: EventTrace(limit: maxTraceEvents, at: time)))
    log("created for \(target)", at: time)
  }

  /// Nothing more is to be heard of it.
  var isGone: Bool {
    observed == nil || state.withLock { $0.isClosed && $0.subchannels.isEmpty && $0.connections.isEmpty }
  }
  var tally: CallTally { calls.withLock { $0 } }
  var snapshot: State { state.withLock { $0 } }

  func subchannel(_ number: Int) -> SubchannelRecord? { state.withLock { $0.subchannels[number] } }

  func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  func log(
    _ text: String, _ severity: EventTrace.Severity = .info, at time: WallClockTime, child: EventTrace.Child? = nil
  ) {
    state.withLock { $0.trace.log(text, severity, at: time, child: child) }
  }

  // MARK: Calls

  func callStarted(at time: WallClockTime) { calls.withLock { $0.start(at: time) } }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    let now = WallClockTime.now
    if let socket = connections[attempt.peer] {
      socket.streamStarted(at: now)
      return socket
    }
    let subchannel = subchannel(attempt.subchannel)
    subchannel?.callStarted(at: now)
    return subchannel
  }

  func ended(_ end: CallEnd) { calls.withLock { $0.end(succeeds: end.code == .ok) } }
}
