import CoreMetrics
import Synchronization
import VoleryObservation
import VoleryTypes

/// One channel's: what it has told of its endpoints, subchannels and connections, so that each change is counted once.
final class ChannelMetrics: Sendable {
  private struct Member {
    let endpoint: EndpointMetrics
    let address: SocketAddress
    let place: EndpointPlace
    var state = ConnectivityState.idle
    var isEjected = false
    var isOutlier = false
  }

  private struct State {
    var isClosed = false
    var endpointCount = 0
    var members: [Int: Member] = [:]
    /// Open connections' security level and place, by their numbers: subchannels may be gone before them.
    var connections: [Int: Connection] = [:]
  }

  private struct Connection {
    let place: EndpointPlace
    let securityLevel: String
    /// Why it takes no more calls, in the words of gRFC A94.
    var disconnectError: String?
  }

  private let state = Mutex(State())
  let target: TargetMetrics
  private let channel: ObservedChannel

  init(_ channel: ObservedChannel, _ target: TargetMetrics) {
    self.channel = channel
    self.target = target
  }

  /// Who counts an attempt on this subchannel, and where it is if labels have that.
  func endpoint(of subchannel: Int) -> (metrics: EndpointMetrics, place: EndpointPlace?)? {
    state.withLock { state in
      state.members[subchannel].map { ($0.endpoint, hasPlaces ? $0.place : nil) }
    }
  }

  private var hasPlaces: Bool {
    !target.instruments.options.optionalLabels.isDisjoint(with: [.locality, .backendService])
  }

  func noteRetryBudget() { target.retryBudget.value.record(channel.retryBudget.retries) }

  // MARK: Events, in the channel's control plane

  func happened(_ event: ChannelEvent) {
    switch event {
    case .created, .stateChanged, .connecting, .connectAbandoned: break
    case .closed: closed()
    case .resolved(let endpoints): resolved(endpoints.count)
    case .resolutionFailed: target.count(.resolverFailures)
    case .subchannelCreated(let id, let endpoint): created(id, endpoint)
    case .subchannelChanged(let id, let state, _): changed(id, to: state)
    case .subchannelEjected(let id): ejected(id)
    case .subchannelReadmitted(let id): change(id) { $0.isEjected = false }
    case .outlierEjected(let id, let method): outlierEjected(id, method)
    case .outlierReadmitted(let id): change(id) { $0.isOutlier = false }
    case .outlierSpared(let id, let method, let reason):
      target.count(
        .outliersSpared,
        outlierLabels(id, method, [("grpc.lb.outlier_detection.unenforced_reason", reason.rawValue)]))
    case .weightsUpdated(let weights): weightsUpdated(weights)
    case .subchannelRemoved(let id): removed(id)
    case .connectFailed(let connection, _, _):
      target.count(.subchannelAttemptsFailed, labels(of: connection.subchannel))
    case .connected(let connection, let peer, _): connected(connection, peer)
    case .disconnecting(let connection, let loss, let reason):
      target.count(.connectionsDrained, [("volery.reason", loss.reason)])
      state.withLock { $0.connections[connection.id]?.disconnectError = loss.error(reason) }
    case .disconnected(let connection, let loss, _, _, _): disconnected(connection, loss)
    }
  }

  private func resolved(_ count: Int) {
    target.resolverAnswers.increment(by: 1)
    target.resolverLastAnswer.value.record(WallClock.secondsSince1970)
    setEndpointCount(count)
  }

  private func setEndpointCount(_ count: Int) {
    let before = state.withLock { state in
      defer { state.endpointCount = count }
      return state.endpointCount
    }
    target.endpointCount.change(by: count - before)
  }

  /// Subchannels and connections go by themselves, and later as a rule.
  private func closed() {
    setEndpointCount(0)
    state.withLock { $0.isClosed = true }
  }

  /// Nothing is to be heard of the channel any more.
  var isOver: Bool { state.withLock { $0.isClosed && $0.members.isEmpty && $0.connections.isEmpty } }

  private func created(_ id: Int, _ endpoint: Endpoint) {
    guard let address = endpoint.addresses.first else { return }
    let member = Member(
      endpoint: target.endpoints.use(address), address: address,
      place: EndpointPlace(endpoint, target.instruments.options))
    state.withLock { $0.members[id] = member }
    count(.idle, by: 1)
  }

  private func count(_ state: ConnectivityState, by amount: Int) {
    target.change(.channelSubchannels, [("volery.state", state.name)], by: amount)
  }

  private func changed(_ id: Int, to new: ConnectivityState) {
    let old = state.withLock { state in
      defer { state.members[id]?.state = new }
      return state.members[id]?.state
    }
    guard let old, old != new else { return }
    count(old, by: -1)
    count(new, by: 1)
    // What was held against the old connection's server is forgotten.
    if new == .ready { change(id) { $0.isEjected = false } }
  }

  private func ejected(_ id: Int) {
    target.count(.ejections)
    change(id) { $0.isEjected = true }
  }

  private func outlierEjected(_ id: Int, _ method: OutlierDetectionMethod) {
    target.count(.outlierEjections, outlierLabels(id, method))
    change(id) { $0.isOutlier = true }
  }

  private func outlierLabels(_ id: Int, _ method: OutlierDetectionMethod, _ more: Labels = []) -> Labels {
    let place = state.withLock { $0.members[id]?.place } ?? EndpointPlace()
    return [("grpc.lb.outlier_detection.detection_method", method.rawValue)] + more
      + target.instruments.optional([.backendService: place.backendService])
  }

  /// Where the servers are counts only if all of them are in one place.
  private func weightsUpdated(_ weights: [EndpointWeight]) {
    let labels: Labels
    if hasPlaces {
      let places = state.withLock { state in Set(weights.map { state.members[$0.subchannel]?.place ?? EndpointPlace() })
      }
      labels = (places.count == 1 ? places.first! : EndpointPlace()).labels(target.instruments)
    } else {
      labels = []
    }
    func count(_ standing: EndpointWeight.Standing) -> Int { weights.count { $0.standing == standing } }
    if count(.usable) < 2 { target.count(.wrrFallbacks, labels) }
    target.count(.wrrNotYetUsable, labels, by: count(.notYetUsable))
    target.count(.wrrStale, labels, by: count(.stale))
    target.record(weights.lazy.map(\.weight), in: .wrrWeights, labels)
  }

  private func change(_ id: Int, _ body: (inout Member) -> Void) {
    let changed = state.withLock { state -> (before: Member, after: Member)? in
      guard let before = state.members[id] else { return nil }
      var after = before
      body(&after)
      state.members[id] = after
      return (before, after)
    }
    if let changed { tellEjected(from: changed.before, to: changed.after) }
  }

  private func tellEjected(from before: Member?, to after: Member?) {
    let ejected = (after?.isEjected == true ? 1 : 0) - (before?.isEjected == true ? 1 : 0)
    let outlier = (after?.isOutlier == true ? 1 : 0) - (before?.isOutlier == true ? 1 : 0)
    target.change(.subchannelsEjected, [("volery.reason", "failures")], by: ejected)
    target.change(.subchannelsEjected, [("volery.reason", "outlier")], by: outlier)
  }

  private func removed(_ id: Int) {
    guard let member = state.withLock({ $0.members.removeValue(forKey: id) }) else { return }
    count(member.state, by: -1)
    tellEjected(from: member, to: nil)
    target.endpoints.release(member.address)
  }

  private func labels(of subchannel: Int) -> Labels {
    let place = state.withLock { $0.members[subchannel]?.place } ?? EndpointPlace()
    return place.labels(target.instruments)
  }

  private func connected(_ connection: ObservedConnection, _ peer: Peer) {
    let level = peer.isSecure ? "privacy_and_integrity" : "none"
    let place = state.withLock { state in
      let place = state.members[connection.subchannel]?.place ?? EndpointPlace()
      state.connections[connection.id] = Connection(place: place, securityLevel: level)
      return place
    }
    let labels = place.labels(target.instruments)
    target.count(.subchannelAttemptsSucceeded, labels)
    target.change(
      .subchannelOpenConnections, labels + target.instruments.optional([.securityLevel: level]), by: 1)
  }

  private func disconnected(_ connection: ObservedConnection, _ loss: ConnectionLoss) {
    guard let known = state.withLock({ $0.connections.removeValue(forKey: connection.id) }) else { return }
    let error = known.disconnectError ?? loss.error("")
    let labels = known.place.labels(target.instruments)
    target.count(.subchannelDisconnections, labels + target.instruments.optional([.disconnectError: error]))
    target.change(
      .subchannelOpenConnections, labels + target.instruments.optional([.securityLevel: known.securityLevel]), by: -1)
  }
}

extension ConnectionLoss {
  fileprivate var reason: String {
    switch self {
    case .goodbye: "goodbye"
    case .renewal: "renewal"
    case .silence: "silence"
    case .unwanted: "unwanted"
    case .lost: "lost"
    }
  }

  /// In the words of gRFC A94. Which socket error it was is not told apart.
  fileprivate func error(_ reason: String) -> String {
    // The code's name, and nothing of what the server has said besides.
    if reason.hasPrefix("GOAWAY ") { return reason.split(separator: " ").prefix(2).joined(separator: " ") }
    return switch self {
    case .goodbye: "GOAWAY NO_ERROR"
    case .renewal, .unwanted: "subchannel shutdown"
    case .silence: "connection timed out"
    case .lost: "socket error"
    }
  }
}
