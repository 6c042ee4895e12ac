import VoleryTypes

/// What `xds_cluster_impl_experimental` is told (gRFC A31, A32, A64): in JSON, as the configuration of any other policy.
package struct ClusterImplConfiguration: Equatable, Sendable {
  package let key: ClusterKey
  package let drops: [EndpointsResource.Drop]
  package let maxRequests: UInt32
  /// Nil: no load is reported. Empty: it is, without the servers' own metrics.
  package let reportedMetrics: ReportedMetrics?

  init(_ part: XDSConfiguration.Part) {
    key = ClusterKey(cluster: part.name, service: part.cluster.serviceName)
    drops = part.endpoints.drops
    maxRequests = part.cluster.maxRequests
    reportedMetrics = part.cluster.reportedMetrics
  }

  /// - Throws: `PolicyConfigurationError`, `ServiceConfigError`.
  init(_ reader: ConfigReader) throws {
    key = ClusterKey(
      cluster: try reader.required("cluster", ConfigReader.string),
      service: try reader.optional("edsServiceName", ConfigReader.string) ?? "")
    maxRequests = UInt32(try reader.optional("maxConcurrentRequests", ConfigReader.count) ?? 1024)
    drops = try reader.array("dropCategories").map { drop throws(ServiceConfigError) in
      EndpointsResource.Drop(
        category: try drop.required("category", ConfigReader.string),
        perMillion: UInt32(try drop.required("requestsPerMillion", ConfigReader.count)))
    }
    reportedMetrics =
      try reader.object("lrsLoadReportingServer") == nil
      ? nil : ReportedMetrics(try reader.array("lrsReportEndpointMetrics").compactMap { ConfigReader.string($0.value) })
  }

  func json(over child: JSONValue) -> JSONValue {
    var members: [String: JSONValue] = [
      "cluster": .string(key.cluster), "edsServiceName": .string(key.service),
      "maxConcurrentRequests": .number("\(maxRequests)"), "childPolicy": .array([child]),
      "dropCategories": .array(
        drops.map {
          .object(["category": .string($0.category), "requestsPerMillion": .number("\($0.perMillion)")])
        }),
    ]
    if let reportedMetrics {
      members["lrsLoadReportingServer"] = .object([:])
      members["lrsReportEndpointMetrics"] = .array(reportedMetrics.names.map(JSONValue.string))
    }
    return .object([ClusterImplPolicy.name: .object(members)])
  }
}
