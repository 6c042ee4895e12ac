import VoleryObservation
import VoleryTypes

extension Labels {
  /// - Parameter method: Nil: none that has a name of its own.
  static func openTelemetry(_ method: MethodDescriptor?, _ code: StatusCode, isError: Bool) -> Labels {
    var labels: Labels = [
      ("rpc.system.name", "grpc"), ("rpc.method", method?.fullName ?? "_OTHER"),
      ("rpc.response.status_code", code.description),
    ]
    // swift-metrics' backends want the same labels in all series of a metric, so it is empty where there is none.
    labels.append(("error.type", isError ? code.description : ""))
    return labels
  }

  /// `server.address` and `server.port` of a channel's target.
  static func openTelemetry(target: String) -> Labels {
    let server = ServerName(target: target)
    return [("server.address", server.address), ("server.port", server.port)]
  }
}
