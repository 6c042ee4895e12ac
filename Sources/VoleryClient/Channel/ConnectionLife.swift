import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Tells a channel's observers what becomes of one connection, which may outlive the channel; made only where there are any. In
/// the control plane.
final class ConnectionLife: @unchecked Sendable {  // Isolation: loop
  private let observed: ObservedConnection
  private let startedAt = Moment.now
  private let observer: any Observer
  private let channel: ObservedChannel
  private var isConnected = false
  private var loss: ConnectionLoss?
  private var isOver = false

  /// It is being made.
  init(subchannel: Int, address: SocketAddress, of channel: ObservedChannel, _ observer: any Observer) {
    observed = ObservedConnection(id: ObservedID.next(), subchannel: subchannel, address: address)
    self.channel = channel
    self.observer = observer
    tell(.connecting(observed))
  }

  private func tell(_ event: ChannelEvent) { observer.happened(event, to: channel) }

  private var age: Duration { startedAt.duration(to: .now) }

  func connected(_ peer: Peer) {
    guard !isOver else { return }
    isConnected = true
    tell(.connected(observed, peer: peer, after: age))
  }

  func abandoned() {
    guard !isOver, !isConnected else { return }
    isOver = true
    tell(.connectAbandoned(observed))
  }

  /// It takes no more calls.
  func ending(_ loss: ConnectionLoss, _ reason: String) {
    guard !isOver, isConnected, self.loss == nil else { return }
    self.loss = loss
    tell(.disconnecting(observed, loss, reason: reason))
  }

  func ended(_ reason: String, streams: Int) {
    guard !isOver else { return }
    isOver = true
    guard isConnected else { return tell(.connectFailed(observed, error: reason, after: age)) }
    tell(.disconnected(observed, loss ?? .lost, reason: reason, streams: streams, after: age))
  }
}

extension ConnectionLoss {
  init(_ cause: DrainCause) {
    self =
      switch cause {
      case .goodbye: .goodbye
      case .renewal: .renewal
      case .silence: .silence
      }
  }
}
