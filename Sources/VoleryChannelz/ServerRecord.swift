import Synchronization
import VoleryObservation
import VoleryTypes

/// One server. Hears of calls whose connection is not kept.
final class ServerRecord: ServerCallObserver {
  private struct State {
    var trace: EventTrace
    var listeners: [SocketRecord] = []
    var connections: EntityTable<SocketRecord>
  }

  let id: Int
  private weak let observed: ObservedServer?
  private let calls = Mutex(CallTally())
  private let state: Mutex<State>

  init(_ observed: ObservedServer, _ options: ChannelzOptions, at time: WallClockTime) {
    id = observed.id
    self.observed = observed
    state = Mutex(
      State(
        trace: EventTrace(limit: options.maxTraceEvents, at: time),
        connections: EntityTable(limit: options.maxSockets)))
    log("created", at: time)
  }

  /// Somebody has let go of it without stopping it.
  var isGone: Bool { observed == nil }
  var tally: CallTally { calls.withLock { $0 } }
  var trace: EventTrace { state.withLock { $0.trace } }
  var listeners: [SocketRecord] { state.withLock { $0.listeners } }

  func connections(from start: Int, limit: Int) -> EntityTable<SocketRecord>.Page {
    state.withLock { $0.connections.page(from: start, limit: limit) }
  }

  func log(_ text: String, _ severity: EventTrace.Severity = .info, at time: WallClockTime) {
    state.withLock { $0.trace.log(text, severity, at: time) }
  }

  func listens(on socket: SocketRecord) { state.withLock { $0.listeners.append(socket) } }

  func opened(_ socket: SocketRecord) { _ = state.withLock { $0.connections.insert(socket, id: socket.id) } }

  func closed(_ id: Int) { _ = state.withLock { $0.connections.remove(id) } }

  // MARK: Calls

  func callStarted(at time: WallClockTime) { calls.withLock { $0.start(at: time) } }

  func ended(_ end: ServerCallEnd) { calls.withLock { $0.end(succeeds: end.code == .ok) } }

  var hearsMessages: Bool { false }
}
