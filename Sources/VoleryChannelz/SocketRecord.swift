import Synchronization
import VoleryObservation
import VoleryTypes

/// One connection, or one socket that is listened on. Hears of all streams of its connection: none has an object of its own.
final class SocketRecord: AttemptObserver, ServerCallObserver {
  /// Whose it is: the one that counts its calls, too.
  enum Owner {
    /// Nil: of a subchannel that is not kept.
    case subchannel(SubchannelRecord?)
    case server(ServerRecord)
    case listener
  }

  let id: Int
  let owner: Owner
  /// Nil for one that is listened on.
  let peer: Peer?
  let localAddress: SocketAddress?
  private let state = Mutex(SocketTally())
  private let gauge = Mutex<ConnectionGauge?>(nil)

  init(id: Int, peer: Peer, owner: Owner) {
    self.id = id
    self.owner = owner
    self.peer = peer
    localAddress = peer.localAddress
  }

  /// One that a server listens on.
  init(listeningOn address: SocketAddress) {
    id = ObservedID.next()
    owner = .listener
    peer = nil
    localAddress = address
  }

  var tally: SocketTally { state.withLock { $0 } }

  func opened(_ gauge: ConnectionGauge) { self.gauge.withLock { $0 = gauge } }

  /// How the connection stands; nil where it does not say.
  func figures() async -> ConnectionFigures? { await gauge.withLock { $0 }?.figures() }

  // MARK: Streams, on the connection's loop

  func streamStarted(at time: WallClockTime) {
    state.withLock { $0.streamStarted(at: time) }
    switch owner {
    case .subchannel(let subchannel): subchannel?.callStarted(at: time)
    case .server(let server): server.callStarted(at: time)
    case .listener: break
    }
  }

  func sent(_ message: ObservedMessage) {
    let now = WallClockTime.now
    state.withLock { $0.sent(at: now) }
  }

  func received(_ message: ObservedMessage) {
    let now = WallClockTime.now
    state.withLock { $0.received(at: now) }
  }

  func ended(_ end: AttemptEnd) {
    state.withLock { $0.streamEnded(isComplete: end.isComplete) }
    if case .subchannel(let subchannel?) = owner { subchannel.ended(end) }
  }

  func ended(_ end: ServerCallEnd) {
    state.withLock { $0.streamEnded(isComplete: end.isComplete) }
    if case .server(let server) = owner { server.ended(end) }
  }
}
