import CoreMetrics
import Synchronization
import VoleryTypes

/// One server's share of a target's calls.
final class EndpointMetrics: Sendable {
  let picks: any CounterHandler
  let outstanding: any MeterHandler

  init(_ endpoint: String, _ target: String, _ instruments: Instruments) {
    let labels = [("grpc.target", target), ("volery.endpoint", endpoint)]
    picks = instruments.counter(.endpointPicks, labels)
    outstanding = instruments.upDownCounter(.endpointOutstanding, labels)
  }

  func attemptStarted() {
    picks.increment(by: 1)
    outstanding.increment(by: 1)
  }

  func attemptEnded() { outstanding.decrement(by: 1) }
}

/// The servers of a target that have labels of their own. Those that are gone keep them, so that what was counted last is read
/// by whoever comes to read it; when there are too many, the ones that went first give theirs back to the backend.
final class EndpointTable: Sendable {
  fileprivate struct Member {
    let metrics: EndpointMetrics
    /// Subchannels that lead there.
    var users = 0
  }

  fileprivate struct State {
    var members: [SocketAddress: Member] = [:]
    /// Without users, in the order in which they went. Those that have come back are in it, too.
    var gone: [SocketAddress] = []
  }

  private let state = Mutex(State())
  private let target: String
  private let instruments: Instruments
  private let others: MadeLater<EndpointMetrics>

  init(_ target: String, _ instruments: Instruments) {
    self.target = target
    self.instruments = instruments
    others = MadeLater { EndpointMetrics(Instruments.other, target, instruments) }
  }

  /// A subchannel leads there, until `release`.
  func use(_ address: SocketAddress) -> EndpointMetrics {
    if let found = state.withLock({ $0.use(address) }) { return found }
    let (evicted, isFull) = state.withLock { $0.makeRoom(limit: instruments.options.maxEndpoints) }
    if let evicted { instruments.destroy(evicted.picks, evicted.outstanding) }
    guard !isFull else { return others.value }
    let made = EndpointMetrics(address.description, target, instruments)
    return state.withLock { state in
      if let found = state.use(address) { return found }
      state.members[address] = Member(metrics: made, users: 1)
      return made
    }
  }

  func release(_ address: SocketAddress) { state.withLock { $0.release(address) } }
}

extension EndpointTable.State {
  fileprivate mutating func use(_ address: SocketAddress) -> EndpointMetrics? {
    guard members[address] != nil else { return nil }
    members[address]?.users += 1
    return members[address]?.metrics
  }

  fileprivate mutating func release(_ address: SocketAddress) {
    guard let users = members[address]?.users, users > 0 else { return }
    members[address]?.users -= 1
    if users == 1 {
      gone.removeAll { $0 == address }
      gone.append(address)
    }
  }

  /// Returns whom it took the place of, if that was needed, and whether there is none.
  fileprivate mutating func makeRoom(limit: Int) -> (evicted: EndpointMetrics?, isFull: Bool) {
    guard members.count >= limit else { return (nil, false) }
    while !gone.isEmpty {
      let address = gone.removeFirst()
      guard let member = members[address], member.users == 0 else { continue }
      members[address] = nil
      return (member.metrics, false)
    }
    return (nil, true)
  }
}
