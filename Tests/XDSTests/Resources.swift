/// Resources in protobuf's JSON, as the control plane is told them.
enum Resources {
  static func listener(_ name: String, routes: String) -> String {
    """
    {"name": "\(name)", "api_listener": {"api_listener": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      "rds": {"config_source": {"ads": {}}, "route_config_name": "\(routes)"},
      "http_filters": [{"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}}
    """
  }

  /// With a fault filter.
  static func faulty(_ name: String, routes: String, _ fault: String) -> String {
    listener(name, routes: routes).replacing(
      "\"http_filters\": [", with: "\"http_filters\": [{\"name\": \"fault\", \"typed_config\": \(fault)},")
  }

  static func host(_ name: String, _ host: String, _ port: Int) -> String {
    """
    {"name": "\(name)", "type": "LOGICAL_DNS", "load_assignment": {"cluster_name": "\(name)", "endpoints": [{"lb_endpoints": [
      {"endpoint": {"address": {"socket_address": {"address": "\(host)", "port_value": \(port)}}}}]}]}}
    """
  }

  static func aggregate(_ name: String, _ clusters: [String]) -> String {
    """
    {"name": "\(name)", "lb_policy": "CLUSTER_PROVIDED", "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig",
      "clusters": [\(clusters.map { "\"\($0)\"" }.joined(separator: ","))]}}}
    """
  }

  static func all(_ name: String, _ routes: [String]) -> String {
    "{\"name\": \"\(name)\", \"virtual_hosts\": [{\"name\": \"all\", \"domains\": [\"*\"], \"routes\": [\(routes.joined(separator: ","))]}]}"
  }

  /// - Parameter routes: Each a `Route`.
  static func routes(_ name: String, _ routes: String...) -> String {
    """
    {"name": "\(name)", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [\(routes.joined(separator: ","))]}]}
    """
  }

  static func to(_ cluster: String, match: String = "{\"prefix\": \"\"}") -> String {
    "{\"match\": \(match), \"route\": {\"cluster\": \"\(cluster)\"}}"
  }

  static func split(_ weights: [String: Int]) -> String {
    let clusters = weights.map { "{\"name\": \"\($0.key)\", \"weight\": \($0.value)}" }.joined(separator: ",")
    return "{\"match\": {\"prefix\": \"\"}, \"route\": {\"weighted_clusters\": {\"clusters\": [\(clusters)]}}}"
  }

  static func cluster(_ name: String, extra: String = "") -> String {
    """
    {"name": "\(name)", "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}\(extra.isEmpty ? "" : ", \(extra)")}
    """
  }

  /// - Parameter localities: Each a priority, a weight and the ports of its servers.
  static func endpoints(
    _ name: String, _ localities: [(priority: Int, weight: Int, ports: [Int])], policy: String = "{}"
  )
    -> String
  {
    let groups = localities.enumerated().map { index, locality in
      let endpoints = locality.ports.map {
        """
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": \($0)}}}}
        """
      }.joined(separator: ",")
      return """
        {"locality": {"region": "r", "zone": "z\(index)"}, "priority": \(locality.priority),
         "load_balancing_weight": \(locality.weight), "lb_endpoints": [\(endpoints)]}
        """
    }
    return "{\"cluster_name\": \"\(name)\", \"policy\": \(policy), \"endpoints\": [\(groups.joined(separator: ","))]}"
  }
}
