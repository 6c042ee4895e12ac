import Foundation
import TestSupport
import Testing
import Volery
import VoleryXDS

/// What control planes and tools are told, and who is asked, by control planes of another implementation.
@Suite("Load reports, status, fallback and federation", .serialized, .timeLimit(.minutes(5))) struct OutsideTests {
  private func control(_ backend: Backend, _ listener: String = "orders", cluster extra: String = "") throws
    -> ControlPlane
  {
    let control = try ControlPlane()
    try control.set("listener", Resources.listener(listener, routes: "r"))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    try control.set("cluster", Resources.cluster("a", extra: extra))
    let policy = "{\"drop_overloads\": [{\"category\": \"thrown\", \"drop_percentage\": {\"numerator\": 20}}]}"
    try control.set(
      "endpoints", Resources.endpoints("a", [(0, 1, [backend.port])], policy: extra.isEmpty ? "{}" : policy))
    return control
  }

  private func channel(_ factory: XDSResolverFactory, _ target: String = "xds:///orders") throws -> Channel {
    var options = ChannelOptions()
    options.useXDS(factory)
    return try Channel(target, options: options)
  }

  private func factory(_ change: (inout XDSBootstrap) throws -> Void) throws -> XDSResolverFactory {
    var bootstrap = try XDSBootstrap(json: ControlPlane.bootstrap(port: 1))
    try change(&bootstrap)
    return XDSResolverFactory(bootstrap: bootstrap)
  }

  private struct Sum {
    var issued = 0.0
    var succeeded = 0.0
    var failed = 0.0
    var dropped = 0.0
    var byCategory: [String: Double] = [:]
    var metrics: [String: (count: Double, total: Double)] = [:]
    var localities: Set<String> = []

    init(_ output: String) {
      for line in output.split(separator: "\n") where line.hasPrefix("LOAD ") {
        let object = try? JSONSerialization.jsonObject(with: Data(line.dropFirst(5).utf8)) as? [String: Any]
        for cluster in object?["cluster_stats"] as? [[String: Any]] ?? [] { add(cluster) }
      }
    }

    private static func number(_ value: Any?) -> Double {
      (value as? NSNumber)?.doubleValue ?? (value as? String).flatMap(Double.init) ?? 0
    }

    private mutating func add(_ cluster: [String: Any]) {
      guard cluster["cluster_name"] as? String == "a" else { return }
      dropped += Self.number(cluster["total_dropped_requests"])
      for drop in cluster["dropped_requests"] as? [[String: Any]] ?? [] {
        byCategory[drop["category"] as? String ?? "", default: 0] += Self.number(drop["dropped_count"])
      }
      for locality in cluster["upstream_locality_stats"] as? [[String: Any]] ?? [] {
        issued += Self.number(locality["total_issued_requests"])
        succeeded += Self.number(locality["total_successful_requests"])
        failed += Self.number(locality["total_error_requests"])
        localities.insert((locality["locality"] as? [String: Any])?["zone"] as? String ?? "")
        for metric in locality["load_metric_stats"] as? [[String: Any]] ?? [] {
          let name = metric["metric_name"] as? String ?? ""
          let old = metrics[name] ?? (0, 0)
          metrics[name] = (
            old.count + Self.number(metric["num_requests_finished_with_metric"]),
            old.total + Self.number(metric["total_metric_value"])
          )
        }
      }
    }
  }

  @Test(
    "the control plane is told of each call by locality and outcome, of drops by category, and of the metrics it wants")
  func load() async throws {
    let backend = try Backend("one", cost: ["queue": 2.5, "other": 1])
    defer { backend.server.shutDown() }
    let control = try control(
      backend, cluster: "\"lrs_server\": {\"self\": {}}, \"lrs_report_endpoint_metrics\": [\"named_metrics.queue\"]")
    let port = try await control.start()
    let channel = try channel(try factory { $0.servers = [XDSServer("127.0.0.1:\(port)", isSecure: false)] })
    defer { channel.close() }
    var counts = (ok: 0.0, failed: 0.0, dropped: 0.0)
    for number in 0..<200 {
      do {
        _ = try await Backend.ask(channel, number % 4 == 0 ? Backend.fail : Backend.who, calls: 1)
        counts.ok += 1
      } catch let error as StatusError {
        if error.message.contains("dropped") { counts.dropped += 1 } else { counts.failed += 1 }
      }
    }
    #expect(counts.dropped > 0)
    try await eventually("all calls are reported") {
      let sum = Sum(control.output)
      return sum.succeeded == counts.ok && sum.failed == counts.failed && sum.dropped == counts.dropped
    }
    let sum = Sum(control.output)
    #expect(sum.issued == counts.ok + counts.failed)
    #expect(sum.byCategory == ["thrown": counts.dropped])
    #expect(sum.localities == ["z0"])
    #expect(Set(sum.metrics.keys) == ["named_metrics.queue"])
    #expect(sum.metrics["named_metrics.queue"]?.total == counts.ok * 2.5, "\(sum.metrics)")
  }

  @Test("a tool sees what has been accepted with its version, and what was refused with the reason") func status()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let control = try control(backend)
    let port = try await control.start()
    let factory = try factory { $0.servers = [XDSServer("127.0.0.1:\(port)", isSecure: false)] }
    let channel = try channel(factory)
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 1) == ["one": 1])
    try control.set("routes", Resources.routes("r", Resources.split(["a": 0])))
    try await eventually("the control plane is told why") { control.output.contains("NACK routes") }
    let server = Server(services: [XDSStatusService(factory)])
    defer { server.shutDown() }
    guard case .tcp(_, let statusPort) = try server.start(listeningOn: .tcp("127.0.0.1", 0))[0] else { return }
    let text = try await ControlPlane.status(port: statusPort)
    let whole = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let config = (whole?["config"] as? [[String: Any]])?.first
    #expect((config?["node"] as? [String: Any])?["id"] as? String == "test")
    var known: [String: [String: Any]] = [:]
    for resource in config?["generic_xds_configs"] as? [[String: Any]] ?? [] {
      let type = (resource["type_url"] as? String ?? "").split(separator: ".").last.map(String.init) ?? ""
      known["\(type) \(resource["name"] ?? "")"] = resource
    }
    #expect(Set(known.keys) == ["Listener orders", "RouteConfiguration r", "Cluster a", "ClusterLoadAssignment a"])
    #expect(known["Cluster a"]?["client_status"] as? String == "ACKED")
    #expect(((known["Cluster a"]?["xds_config"] as? [String: Any])?["name"] as? String) == "a")
    let routes = try #require(known["RouteConfiguration r"])
    #expect(routes["client_status"] as? String == "NACKED")
    let error = try #require(routes["error_state"] as? [String: Any])
    #expect((error["details"] as? String)?.contains("weighted_clusters") == true, "\(error)")
    #expect(routes["version_info"] as? String != error["version_info"] as? String)
    #expect(routes["xds_config"] != nil)
  }

  @Test("the second control plane is asked while the first can't be reached, and no more once it can") func fallback()
    async throws
  {
    let first = try Backend("first")
    let second = try Backend("second")
    defer {
      first.server.shutDown()
      second.server.shutDown()
    }
    let primary = try control(first)
    let backup = try control(second)
    let backupPort = try await backup.start()
    // Taken and given back: nobody listens there until the first one starts.
    let port = try Backend.freePort()
    let channel = try channel(
      try factory {
        $0.servers = [
          XDSServer("127.0.0.1:\(port)", isSecure: false), XDSServer("127.0.0.1:\(backupPort)", isSecure: false),
        ]
      })
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 5) == ["second": 5])
    _ = try await primary.start(port: port)
    try await eventually("what the first one says holds", within: .seconds(60)) {
      try await Backend.ask(channel, calls: 1) == ["first": 1]
    }
    #expect(try await Backend.ask(channel, calls: 20) == ["first": 20])
  }

  @Test("a target's authority is asked where the bootstrap says; one that it does not name is no target")
  func federation()
    async throws
  {
    let backend = try Backend("other")
    defer { backend.server.shutDown() }
    let name = "xdstp://shop.test/envoy.config.listener.v3.Listener/orders"
    let control = try control(backend, name)
    let port = try await control.start()
    let factory = try factory {
      $0.authorities["shop.test"] = XDSAuthority(servers: [XDSServer("127.0.0.1:\(port)", isSecure: false)])
    }
    try control.set(
      "listener",
      Resources.listener(name, routes: "xdstp://shop.test/envoy.config.route.v3.RouteConfiguration/r?b=1&a=2"))
    try control.set(
      "routes",
      Resources.routes(
        "xdstp://shop.test/envoy.config.route.v3.RouteConfiguration/r?a=2&b=1",
        Resources.to("xdstp://shop.test/envoy.config.cluster.v3.Cluster/a")))
    let endpoints = "xdstp://shop.test/envoy.config.endpoint.v3.ClusterLoadAssignment/a"
    try control.set(
      "cluster",
      """
      {"name": "xdstp://shop.test/envoy.config.cluster.v3.Cluster/a", "type": "EDS",
       "eds_cluster_config": {"eds_config": {"ads": {}}, "service_name": "\(endpoints)"}}
      """)
    try control.set("endpoints", Resources.endpoints(endpoints, [(0, 1, [backend.port])]))
    let channel = try channel(factory, "xds://shop.test/orders")
    defer { channel.close() }
    #expect(try await Backend.ask(channel, calls: 5) == ["other": 5])
    #expect(throws: (any Error).self) { try self.channel(factory, "xds://elsewhere.test/orders") }
  }
}
