import VoleryObservation
import VoleryTypes

extension Registry {
  /// What a channel tells, as records have it; in the channel's control plane.
  func happened(_ event: ChannelEvent, to channel: ChannelRecord, at time: WallClockTime) {
    switch event {
    case .created: break
    case .stateChanged(let state):
      channel.change { $0.connectivity = state }
      channel.log(state.name, state == .transientFailure ? .error : .info, at: time)
    case .closed:
      channel.change { state in
        state.isClosed = true
        state.connectivity = .shutdown
      }
      channel.log("closed", at: time)
    case .resolved(let endpoints): resolved(endpoints, channel, time)
    case .resolutionFailed(let error): resolutionFailed(error, channel, time)
    case .subchannelCreated, .subchannelChanged, .subchannelEjected, .subchannelReadmitted, .outlierEjected,
      .outlierReadmitted, .outlierSpared, .subchannelRemoved:
      subchannelEvent(event, channel, time)
    case .weightsUpdated: break
    case .connecting, .connectFailed, .connectAbandoned, .connected, .disconnecting, .disconnected:
      connectionEvent(event, channel, time)
    }
  }

  private func resolved(_ endpoints: [Endpoint], _ channel: ChannelRecord, _ time: WallClockTime) {
    channel.change { state in
      guard state.resolution != .endpoints(endpoints) else { return }
      state.resolution = .endpoints(endpoints)
      let names = endpoints.prefix(8).map { $0.addresses.first?.description ?? "none" }.joined(separator: ", ")
      let rest = endpoints.count > 8 ? ", …" : ""
      state.trace.log("resolved to \(endpoints.count) endpoints: \(names)\(rest)", at: time)
    }
  }

  private func resolutionFailed(_ error: StatusError, _ channel: ChannelRecord, _ time: WallClockTime) {
    channel.change { state in
      guard state.resolution != .failure(error) else { return }
      state.resolution = .failure(error)
      state.trace.log("resolution failed: \(error.description)", .warning, at: time)
    }
  }

  // MARK: Subchannels

  private func subchannelEvent(_ event: ChannelEvent, _ channel: ChannelRecord, _ time: WallClockTime) {
    switch event {
    case .subchannelCreated(let number, let endpoint):
      let subchannel = SubchannelRecord(id: number, endpoint, maxTraceEvents: options.maxTraceEvents, at: time)
      guard add(subchannel) else { return }
      channel.change { $0.subchannels[number] = subchannel }
      channel.log("subchannel created", at: time, child: subchannel.child)
    case .subchannelRemoved(let number):
      guard let subchannel = channel.subchannel(number) else { return }
      channel.change { $0.subchannels[number] = nil }
      remove(subchannel)
      channel.log("subchannel removed", at: time, child: subchannel.child)
    case .subchannelChanged(let number, let state, let error):
      channel.subchannel(number)?.changed(to: state, error, at: time)
    case .subchannelEjected(let number):
      note("ejected: its calls fail, or are not answered", .warning, channel, number, time)
    case .subchannelReadmitted(let number): note("readmitted: it has answered", .info, channel, number, time)
    case .outlierEjected(let number, let method):
      note("ejected by outlier_detection: \(method.rawValue)", .warning, channel, number, time)
    case .outlierReadmitted(let number): note("readmitted by outlier_detection", .info, channel, number, time)
    case .outlierSpared(let number, let method, let reason):
      // In its own trace alone: it comes again with each interval.
      channel.subchannel(number)?.log(
        "found by outlier_detection (\(method.rawValue)) and not ejected: \(reason.rawValue)", at: time)
    default: break
    }
  }

  /// In the subchannel's trace and, since it concerns who gets calls, in the channel's.
  private func note(
    _ text: String, _ severity: EventTrace.Severity, _ channel: ChannelRecord, _ number: Int, _ time: WallClockTime
  ) {
    guard let subchannel = channel.subchannel(number) else { return }
    subchannel.log(text, severity, at: time)
    channel.log("subchannel \(text)", severity, at: time, child: subchannel.child)
  }

  // MARK: Connections

  private func connectionEvent(_ event: ChannelEvent, _ channel: ChannelRecord, _ time: WallClockTime) {
    switch event {
    case .connecting(let connection):
      channel.subchannel(connection.subchannel)?.log("connecting to \(connection.address)", at: time)
    case .connectFailed(let connection, let error, _):
      channel.subchannel(connection.subchannel)?
        .log("connecting to \(connection.address) failed: \(error)", .warning, at: time)
    case .connectAbandoned(let connection):
      channel.subchannel(connection.subchannel)?.log("connecting to \(connection.address) given up", at: time)
    case .connected(let connection, let peer, _):
      let subchannel = channel.subchannel(connection.subchannel)
      let socket = SocketRecord(id: connection.id, peer: peer, owner: .subchannel(subchannel))
      channel.change { $0.connections.insert(connection.id) }
      if add(socket) { subchannel?.connected(socket, at: time) }
    case .disconnecting(let connection, _, let reason):
      channel.subchannel(connection.subchannel)?
        .log("socket \(connection.id) takes no more calls: \(reason)", at: time)
    case .disconnected(let connection, let loss, let reason, _, _):
      channel.change { $0.connections.remove(connection.id) }
      _ = remove(socket: connection.id)
      let subchannel = channel.subchannel(connection.subchannel)
      subchannel?.disconnected(connection.id)
      let isWanted = loss == .lost || loss == .silence
      subchannel?.log("socket \(connection.id) is closed: \(reason)", isWanted ? .warning : .info, at: time)
    default: break
    }
  }
}
