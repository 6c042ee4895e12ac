import Synchronization
import TestSupport
import Testing
import Volery
import VoleryMetrics
import VoleryObservation
import VoleryPrometheus
import VoleryXDS

/// What metrics tell of a client and its control plane (gRFC A78).
@Suite("Metrics of control planes", .serialized, .timeLimit(.minutes(2))) struct ClientObservationTests {
  private let control = ScriptedControl()
  private let backend = PrometheusBackend()

  private func channel(_ name: String, _ factory: XDSResolverFactory) throws -> Channel {
    var options = ChannelOptions()
    options.useXDS(factory)
    return try Channel("xds:///\(name)", options: options)
  }

  private func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    backend.value("grpc.xds_client.\(name)", ["grpc.target": "xds:///orders"].merging(labels) { $1 })
  }

  private func resources(_ state: String, _ type: XDSResourceType) -> Double {
    let labels = [
      "grpc.xds.cache_state": state, "grpc.xds.authority": "#old", "grpc.xds.resource_type": type.typeName,
    ]
    return value("resources", labels) ?? 0
  }

  @Test("what is wanted and what came of it, by type; a refused one; a control plane that goes and comes back")
  func all() async throws {
    let server = try Backend("one")
    defer { server.server.shutDown() }
    try control.set(.listener, Wires.listener())
    try control.set(.routes, Wires.routes(to: "a"))
    try control.set(.cluster, Wires.cluster("a"))
    try control.set(.endpoints, Wires.endpoints("a", ports: server.port))
    let port = try control.start()
    let uri = "127.0.0.1:\(port)"
    let factory = XDSResolverFactory(
      bootstrap: XDSBootstrap(serverURI: uri, isSecure: false, nodeID: "test"),
      observers: [MetricsObserver(factory: backend)])
    let orders = try channel("orders", factory)
    #expect(try await Backend.ask(orders, calls: 1) == ["one": 1])
    #expect(value("connected", ["grpc.xds.server": uri]) == 1)
    for type in XDSResourceType.allCases {
      let labels = ["grpc.xds.server": uri, "grpc.xds.resource_type": type.typeName]
      #expect(value("resource_updates_valid", labels) == 1, "\(type)")
      #expect(value("resource_updates_invalid", labels) == nil)
      #expect(resources("acked", type) == 1 && resources("requested", type) == 0, "\(type)")
    }
    // The last good one holds.
    try control.set(.routes, Wires.routes(domain: "a.*.b", to: "a"))
    try await eventually("the routes are refused") { resources("nacked_but_cached", .routes) == 1 }
    #expect(resources("acked", .routes) == 0)
    #expect(value("resource_updates_invalid", ["grpc.xds.resource_type": XDSResourceType.routes.typeName]) == 1)
    control.set(.cluster, [])
    try await eventually("the cluster is gone") { resources("does_not_exist", .cluster) == 1 }
    // Another channel that shares the stream counts for itself.
    let carts = try channel("carts", factory)
    carts.connect()
    try await eventually("its listener is asked for") {
      backend.value("grpc.xds_client.resources", ["grpc.target": "xds:///carts", "grpc.xds.cache_state": "requested"])
        == 1
    }
    #expect(backend.value("grpc.xds_client.connected", ["grpc.target": "xds:///carts"]) == 1)
    carts.close()
    try await eventually("it is gone") {
      backend.value("grpc.xds_client.connected", ["grpc.target": "xds:///carts"]) == 0
        && backend.value("grpc.xds_client.resources", ["grpc.target": "xds:///carts"]) == 0
    }
    #expect(value("server_failure") == nil)
    control.stop()
    try await eventually("the stream does not work any more") { value("connected") == 0 }
    #expect(value("server_failure", ["grpc.xds.server": uri]) == 1)
    try control.start(port: port)
    defer { control.stop() }
    try await eventually("it works again", within: .seconds(60)) { value("connected") == 1 }
    #expect(value("server_failure") == 1)
    orders.close()
    try await eventually("nothing is wanted") {
      value("connected") == 0 && XDSResourceType.allCases.allSatisfy { resources("acked", $0) == 0 }
    }
    #expect(value("server_failure") == 1)
  }
}
