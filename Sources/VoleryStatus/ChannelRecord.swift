import Synchronization
import VoleryObservation
import VoleryPrimitives
import VoleryTypes

/// Collects what happens to one channel. Hears of all of its calls.
final class ChannelRecord: CallObserver {
  fileprivate struct Member {
    let endpoint: EndpointRecord
    var state = ConnectivityState.idle
    var isEjected = false
    var isOutlier = false
    var error: String?
  }

  fileprivate struct State {
    var connectivity = ConnectivityState.idle
    var calls: CallCounter
    var retries = 0
    var latency: LatencyHistogram
    var resolver = ResolverStatus()
    var answeredAt: Moment?
    /// By the numbers of subchannels.
    var members: [Int: Member] = [:]
    /// By their first addresses.
    var endpoints: [SocketAddress: EndpointRecord] = [:]
  }

  private static let maxShownAnswers = 20

  private let channel: ObservedChannel
  private let options: StatusOptions
  private let clock: StatusClock
  private let others: EndpointRecord
  private let state: Mutex<State>

  init(_ channel: ObservedChannel, _ options: StatusOptions, _ clock: StatusClock) {
    self.channel = channel
    self.options = options
    self.clock = clock
    others = EndpointRecord("others", clock)
    state = Mutex(
      State(calls: CallCounter(from: clock.start), latency: LatencyHistogram(from: clock.start)))
  }

  private func cut(_ text: String) -> String { String(foreign: text, limit: options.maxText) }

  // MARK: Calls

  func callStarted() { state.withLock { $0.calls.started(at: clock.now()) } }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    let endpoint = state.withLock { $0.members[attempt.subchannel]?.endpoint } ?? others
    endpoint.attemptStarted()
    return endpoint
  }

  func ended(_ end: CallEnd) {
    let now = clock.now()
    state.withLock { state in
      state.calls.ended(end.code)
      state.retries += end.attempts.retries + end.attempts.transparentRetries + end.attempts.hedges
      state.latency.add(nanoseconds: end.nanoseconds, at: now)
    }
  }

  // MARK: Events, in the channel's control plane

  func happened(_ event: ChannelEvent) {
    switch event {
    case .created, .closed, .connecting, .connectAbandoned, .disconnecting, .disconnected, .outlierSpared,
      .weightsUpdated:
      break
    case .stateChanged(let new): state.withLock { $0.connectivity = new }
    case .resolved(let endpoints): resolved(endpoints)
    case .resolutionFailed(let error):
      let text = cut("\(error.status)")
      state.withLock { state in
        state.resolver.failures += 1
        state.resolver.error = text
      }
    case .subchannelCreated(let id, let endpoint): created(id, endpoint)
    case .subchannelChanged(let id, let new, _):
      change(id) { member in
        member.state = new
        // What was held against the old connection's server is forgotten.
        if new == .ready { (member.isEjected, member.error) = (false, nil) }
      }
    case .subchannelEjected(let id): change(id) { $0.isEjected = true }
    case .subchannelReadmitted(let id): change(id) { $0.isEjected = false }
    case .outlierEjected(let id, _): change(id) { $0.isOutlier = true }
    case .outlierReadmitted(let id): change(id) { $0.isOutlier = false }
    case .subchannelRemoved(let id): state.withLock { $0.members[id] = nil }
    case .connectFailed(let connection, let error, _):
      let text = cut(error)
      change(connection.subchannel) { $0.error = text }
    case .connected(let connection, _, _): change(connection.subchannel) { $0.error = nil }
    }
  }

  private func resolved(_ endpoints: [Endpoint]) {
    let shown = endpoints.prefix(ChannelRecord.maxShownAnswers).map { cut($0.description) }
    let now = clock.now()
    state.withLock { state in
      state.resolver.answers += 1
      state.resolver.endpointCount = endpoints.count
      state.resolver.endpoints = shown
      state.resolver.error = nil
      state.answeredAt = now
    }
  }

  private func created(_ id: Int, _ endpoint: Endpoint) {
    guard let address = endpoint.addresses.first else { return }
    let name = cut(address.description)
    let now = clock.now()
    state.withLock { state in
      if state.endpoints.count >= options.maxEndpoints { state.forgetGone(at: now) }
      var record = state.endpoints[address]
      if record == nil, state.endpoints.count < options.maxEndpoints {
        record = EndpointRecord(name, clock)
        state.endpoints[address] = record
      }
      // What all those beyond the limit have in common is not said of each.
      if let record { state.members[id] = Member(endpoint: record) }
    }
  }

  private func change(_ id: Int, _ change: (inout Member) -> Void) {
    state.withLock { state in
      guard var member = state.members[id] else { return }
      change(&member)
      state.members[id] = member
    }
  }

  // MARK: Snapshots

  func status(at now: Moment) -> ChannelStatus {
    var status = ChannelStatus(id: channel.id, target: cut(channel.target), authority: cut(channel.authority))
    let (members, endpoints) = state.withLock { state in
      state.forgetGone(at: now)
      status.state = state.connectivity
      status.calls = state.calls.totals(at: now)
      status.retries = state.retries
      status.resolver = state.resolver
      status.resolver.age = state.answeredAt?.duration(to: now)
      status.latency = state.latency.status(at: now)
      return (state.members, state.endpoints.values.map { $0 })
    }
    let byEndpoint = Dictionary(grouping: members.values) { ObjectIdentifier($0.endpoint) }
    var found = endpoints.map { record -> EndpointStatus in
      let members = byEndpoint[ObjectIdentifier(record)] ?? []
      // A policy may have several to one server; the best of them says how it is.
      let member = members.first { $0.state == .ready } ?? members.first
      var endpoint = EndpointStatus(address: record.address, calls: record.totals(at: now))
      endpoint.state = member?.state
      endpoint.error = member?.error
      if let member { endpoint.ejection = member.isOutlier ? .outlier : member.isEjected ? .failures : nil }
      return endpoint
    }
    found.sort { $0.address < $1.address }
    let rest = others.totals(at: now)
    if rest.started > 0 { found.append(EndpointStatus(address: others.address, calls: rest)) }
    let sum = found.reduce(0) { $0 + $1.calls.recent }
    for index in found.indices where sum > 0 { found[index].share = Double(found[index].calls.recent) / Double(sum) }
    status.endpoints = found
    return status
  }
}

extension ChannelRecord.State {
  /// Endpoints that no subchannel leads to, and whose calls are of before the window.
  fileprivate mutating func forgetGone(at now: Moment) {
    let used = Set(members.values.map { ObjectIdentifier($0.endpoint) })
    endpoints = endpoints.filter { _, record in
      guard !used.contains(ObjectIdentifier(record)) else { return true }
      let totals = record.totals(at: now)
      return totals.recent > 0 || totals.open > 0
    }
  }
}
