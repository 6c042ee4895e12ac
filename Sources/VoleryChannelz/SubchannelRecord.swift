import Synchronization
import VoleryObservation
import VoleryTypes

/// One subchannel. Hears of attempts whose connection is not kept.
final class SubchannelRecord: AttemptObserver {
  /// What changes but for calls.
  struct State {
    var connectivity = ConnectivityState.idle
    var trace: EventTrace
    var sockets: [Int: SocketRecord] = [:]
  }

  let id: Int
  /// The endpoint's addresses, the first ones.
  let target: String
  private let calls = Mutex(CallTally())
  private let state: Mutex<State>

  init(id: Int, _ endpoint: Endpoint, maxTraceEvents: Int, at time: WallClockTime) {
    self.id = id
    let addresses = endpoint.addresses.prefix(4).map(\.description).joined(separator: ",")
    target = addresses + (endpoint.addresses.count > 4 ? ",…" : "")
    state = Mutex(State(trace: EventTrace(limit: maxTraceEvents, at: time)))
    log("created for \(target)", at: time)
  }

  var child: EventTrace.Child { EventTrace.Child(id: id, name: target) }
  var tally: CallTally { calls.withLock { $0 } }
  var snapshot: State { state.withLock { $0 } }

  func log(_ text: String, _ severity: EventTrace.Severity = .info, at time: WallClockTime) {
    state.withLock { $0.trace.log(text, severity, at: time) }
  }

  func changed(to connectivity: ConnectivityState, _ error: StatusError?, at time: WallClockTime) {
    state.withLock { state in
      state.connectivity = connectivity
      let reason = error.map { ": \($0.description)" } ?? ""
      state.trace.log(
        "\(connectivity.name)\(reason)", connectivity == .transientFailure ? .warning : .info, at: time)
    }
  }

  func connected(_ socket: SocketRecord, at time: WallClockTime) {
    state.withLock { state in
      state.sockets[socket.id] = socket
      state.trace.log("connected: socket \(socket.id), \(socket.name)", at: time)
    }
  }

  func disconnected(_ id: Int) { state.withLock { $0.sockets[id] = nil } }

  // MARK: Calls

  func callStarted(at time: WallClockTime) { calls.withLock { $0.start(at: time) } }

  func ended(_ end: AttemptEnd) { calls.withLock { $0.end(succeeds: end.code == .ok) } }
}
