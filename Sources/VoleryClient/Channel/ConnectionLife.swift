import VoleryObservation
import VoleryTransport
import VoleryTypes

/// Tells a channel's observers what becomes of one connection, which may outlive the channel; made only where there are any. In
/// the control plane.
final class ConnectionLife: @unchecked Sendable {  // Isolation: loop
  private let observed: ObservedConnection
  private var life = ObservedLife()
  private let observer: any Observer
  private let channel: ObservedChannel
  private var loss: ConnectionLoss?
  private var gauge: ConnectionGauge?

  /// It is being made.
  init(subchannel: Int, address: SocketAddress, of channel: ObservedChannel, _ observer: any Observer) {
    observed = ObservedConnection(id: life.id, subchannel: subchannel, address: address)
    self.channel = channel
    self.observer = observer
    tell(.connecting(observed))
  }

  private func tell(_ event: ChannelEvent) { observer.happened(event, to: channel) }

  func connected(_ connection: any ClientConnection) {
    guard life.opened() else { return }
    tell(.connected(observed, peer: connection.peer, after: life.age))
    let gauge = ConnectionGauge(id: life.id) { answer in connection.readFigures(answer) }
    self.gauge = gauge
    observer.opened(gauge)
  }

  func abandoned() {
    guard life.phase == .begun else { return }
    _ = life.ended()
    tell(.connectAbandoned(observed))
  }

  /// It takes no more calls.
  func ending(_ loss: ConnectionLoss, _ reason: String) {
    guard life.phase == .open, self.loss == nil else { return }
    self.loss = loss
    tell(.disconnecting(observed, loss, reason: reason))
  }

  func ended(_ reason: String, streams: Int) {
    gauge.take()?.close()
    switch life.ended() {
    case .begun: tell(.connectFailed(observed, error: reason, after: life.age))
    case .open:
      tell(.disconnected(observed, loss ?? .lost, reason: reason, streams: streams, after: life.age))
    case .over: break
    }
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
