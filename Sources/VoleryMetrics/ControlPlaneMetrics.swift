import Synchronization
import VoleryObservation

/// What was recorded of a target's control planes.
struct ControlPlaneRecord {
  /// The kinds of resources of which there were some.
  var resources: Set<ControlPlaneResources> = []
}

// gRFC A78's metrics of control planes.
extension TargetMetrics {
  func happened(_ event: ControlPlaneEvent) {
    switch event {
    case .connection(let server, let works): set(.xdsConnected, [("grpc.xds.server", server)], to: works ? 1 : 0)
    case .serverLeft(let server): set(.xdsConnected, [("grpc.xds.server", server)], to: 0)
    case .serverFailed(let server): count(.xdsServerFailures, [("grpc.xds.server", server)])
    case .received(let server, let type, let valid, let invalid):
      let labels = [("grpc.xds.server", server), ("grpc.xds.resource_type", type)]
      count(.xdsValidUpdates, labels, by: valid)
      count(.xdsInvalidUpdates, labels, by: invalid)
    case .resources(let counts):
      let gone = controlPlane.withLock { record in
        defer { record.resources = Set(counts.keys) }
        return record.resources.subtracting(counts.keys)
      }
      for resources in gone { set(.xdsResources, resources.labels, to: 0) }
      for (resources, count) in counts { set(.xdsResources, resources.labels, to: count) }
    }
  }
}

extension ControlPlaneResources {
  fileprivate var labels: Labels {
    [
      ("grpc.xds.authority", authority), ("grpc.xds.cache_state", state.rawValue), ("grpc.xds.resource_type", type),
    ]
  }
}
