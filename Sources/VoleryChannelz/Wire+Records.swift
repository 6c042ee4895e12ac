import VoleryPlatform
import VoleryTypes
import VoleryWellKnownTypes

// How records are written as the protocol's messages.

extension SocketRecord {
  /// For people: `127.0.0.1:40000 -> 127.0.0.1:50051`.
  var name: String {
    guard let peer else { return localAddress?.description ?? "" }
    return "\(localAddress?.description ?? "local") -> \(peer.address)"
  }
}

extension WireSocketRef {
  init(_ socket: SocketRecord) { self.init(socketID: Int64(socket.id), name: socket.name) }
}

extension WireSubchannelRef {
  init(_ child: EventTrace.Child) { self.init(subchannelID: Int64(child.id), name: child.name) }
}

extension WireChannel {
  init(_ channel: ChannelRecord) {
    let state = channel.snapshot
    self.init(
      ref: WireChannelRef(channelID: Int64(channel.id), name: channel.target),
      data: WireChannelData(channel.target, state.connectivity, state.trace, channel.tally),
      subchannelRef: state.subchannels.values.map(\.child).sorted { $0.id < $1.id }.map(WireSubchannelRef.init))
  }
}

extension ChannelRecord {
  /// About how many bytes its message has.
  var weight: Int {
    let state = snapshot
    return 200 + state.trace.weight + state.subchannels.values.reduce(0) { $0 + $1.target.utf8.count + 20 }
  }
}

extension ServerRecord {
  /// About how many bytes its message has.
  var weight: Int { 200 + trace.weight + listeners.count * 100 }
}

extension EventTrace {
  fileprivate var weight: Int { events.reduce(0) { $0 + $1.text.utf8.count + 100 } }
}

extension WireSubchannel {
  init(_ subchannel: SubchannelRecord) {
    let state = subchannel.snapshot
    self.init(
      ref: WireSubchannelRef(subchannel.child),
      data: WireChannelData(subchannel.target, state.connectivity, state.trace, subchannel.tally),
      socketRef: state.sockets.values.sorted { $0.id < $1.id }.map(WireSocketRef.init))
  }
}

extension WireServer {
  init(_ server: ServerRecord) {
    let tally = server.tally
    let listeners = server.listeners
    let name = listeners.prefix(4).map(\.name).joined(separator: ",")
    self.init(
      ref: WireServerRef(serverID: Int64(server.id), name: name),
      data: WireServerData(
        trace: WireChannelTrace(server.trace), callsStarted: Int64(tally.started),
        callsSucceeded: Int64(tally.succeeded), callsFailed: Int64(tally.failed),
        lastCallStartedTimestamp: tally.lastStarted?.timestamp),
      listenSocket: listeners.map(WireSocketRef.init))
  }
}

extension WireChannelData {
  init(_ target: String, _ state: ConnectivityState, _ trace: EventTrace, _ tally: CallTally) {
    self.init(
      state: WireChannelConnectivityState(state: WireChannelConnectivityState.State(state)), target: target,
      trace: WireChannelTrace(trace), callsStarted: Int64(tally.started), callsSucceeded: Int64(tally.succeeded),
      callsFailed: Int64(tally.failed), lastCallStartedTimestamp: tally.lastStarted?.timestamp)
  }
}

extension WireChannelConnectivityState.State {
  init(_ state: ConnectivityState) {
    self =
      switch state {
      case .idle: .idle
      case .connecting: .connecting
      case .ready: .ready
      case .transientFailure: .transientFailure
      case .shutdown: .shutdown
      }
  }
}

extension WireChannelTrace {
  init(_ trace: EventTrace) {
    self.init(
      numEventsLogged: Int64(trace.loggedCount), creationTimestamp: trace.creationTime.timestamp,
      events: trace.events.map(WireChannelTraceEvent.init))
  }
}

extension WireChannelTraceEvent {
  init(_ event: EventTrace.Event) {
    let severity: Severity =
      switch event.severity {
      case .info: .ctInfo
      case .warning: .ctWarning
      case .error: .ctError
      }
    self.init(
      description_p: event.text, severity: severity, timestamp: event.time.timestamp,
      childRef: event.child.map { .subchannelRef(WireSubchannelRef($0)) })
  }
}
