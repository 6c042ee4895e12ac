import VoleryLoadBalancing
import VoleryTransport

extension SubchannelDriver {
  /// What other threads may know of its channel.
  struct Home {
    let dataPlane: ObjectIdentifier
    let loop: any TransportLoop
  }
}

extension SubchannelDriver: ConnectionRequests {
  /// The channel may be gone when the loop comes to it, and has let go of this before.
  func connectionRequested() {
    home.loop.execute { [self] in
      if state.phase != .shutDown { connect() }
    }
  }
}
