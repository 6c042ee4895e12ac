import VoleryLoadBalancing
import VoleryTypes

/// What a subchannel's server is asked beside its calls. In the channel's control plane.
struct SubchannelMonitors {
  private var health: HealthMonitor?
  private var load: LoadMonitor?

  /// Asks the server of its health from now on, or, by nil, no more.
  mutating func set(_ monitor: HealthMonitor?, _ connections: [ChannelConnection]) {
    health?.stop()
    health = monitor
    monitor?.connectionsChanged(connections)
  }

  mutating func watchLoad(
    _ watch: LoadWatch, _ connections: [ChannelConnection], of endpoint: Endpoint, _ core: ChannelCore
  ) {
    if let load { return load.add(watch) }
    let monitor = LoadMonitor(endpoint: endpoint, core: core)
    load = monitor
    monitor.connectionsChanged(connections)
    monitor.add(watch)
  }

  func endLoadWatch(_ watch: LoadWatch) { load?.remove(watch) }

  func callAnswered() { health?.callAnswered() }

  func connectionOpened() { health?.connectionOpened() }

  func connectionsChanged(_ connections: [ChannelConnection]) {
    health?.connectionsChanged(connections)
    load?.connectionsChanged(connections)
  }

  mutating func stop() {
    health.take()?.stop()
    load.take()?.stop()
  }
}
