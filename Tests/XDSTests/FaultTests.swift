import TestSupport
import Testing
import Volery
import VoleryWellKnownTypes
import VoleryXDS

/// Fault injection (gRFC A33), by a control plane of another implementation.
@Suite("Faults that a control plane wants", .serialized, .timeLimit(.minutes(5))) struct FaultTests {
  private let control: ControlPlane
  private static let type = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"

  init() throws { control = try ControlPlane() }

  private static func fault(_ settings: String) -> String { "{\"@type\": \"\(type)\", \(settings)}" }

  private func channel(
    _ backend: Backend, fault: String, routes: String...
  ) async throws -> Channel {
    try control.set("listener", Resources.faulty("orders", routes: "r", Self.fault(fault)))
    try control.set("routes", Resources.all("r", routes.isEmpty ? [Resources.to("a")] : routes))
    try control.set("cluster", Resources.cluster("a"))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [backend.port])]))
    var options = ChannelOptions()
    let bootstrap = try XDSBootstrap(json: ControlPlane.bootstrap(port: try await control.start()))
    options.useXDS(XDSResolverFactory(bootstrap: bootstrap))
    return try Channel("xds:///orders", options: options)
  }

  private static func outcome(_ channel: Channel, _ metadata: Metadata = [:], timeout: Duration = .seconds(20)) async
    -> StatusCode
  {
    var options = CallOptions(timeout: timeout)
    options.metadata = metadata
    do {
      _ = try await channel.unary(Backend.who, [], options: options)
      return .ok
    } catch { return error.code }
  }

  @Test("calls end as the filter says, by the share that it says; a route that switches it off has none") func ends()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let off = """
      {"match": {"path": "/test.Backend/Other"}, "route": {"cluster": "a"}, "typed_per_filter_config": {
        "fault": {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}}}
      """
    let half = """
      {"match": {"prefix": "", "headers": [{"name": "half", "present_match": true}]}, "route": {"cluster": "a"},
       "typed_per_filter_config": {"fault": \(Self.fault("\"abort\": {\"grpc_status\": 8, \"percentage\": {\"numerator\": 50}}"))}}
      """
    let channel = try await channel(
      backend, fault: "\"abort\": {\"http_status\": 403, \"percentage\": {\"numerator\": 100}}",
      routes: off, half, Resources.to("a"))
    defer { channel.close() }
    #expect(await Self.outcome(channel) == .permissionDenied)
    #expect(try await Backend.ask(channel, Backend.other, calls: 20) == ["one other": 20])
    var codes: [StatusCode: Int] = [:]
    for _ in 0..<400 { codes[await Self.outcome(channel, ["half": "1"]), default: 0] += 1 }
    // Five standard deviations of 400 draws are 50.
    #expect(abs((codes[.resourceExhausted] ?? 0) - 200) < 51, "\(codes)")
    #expect((codes[.resourceExhausted] ?? 0) + (codes[.ok] ?? 0) == 400, "\(codes)")
  }

  @Test("a call's own metadata choose code and share where the control plane allows it") func headers() async throws {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let channel = try await channel(
      backend, fault: "\"abort\": {\"header_abort\": {}, \"percentage\": {\"numerator\": 100}}")
    defer { channel.close() }
    #expect(await Self.outcome(channel) == .ok)
    #expect(await Self.outcome(channel, ["x-envoy-fault-abort-grpc-request": "9"]) == .failedPrecondition)
    #expect(await Self.outcome(channel, ["x-envoy-fault-abort-request": "404"]) == .unimplemented)
    let none: Metadata = ["x-envoy-fault-abort-grpc-request": "9", "x-envoy-fault-abort-request-percentage": "0"]
    #expect(await Self.outcome(channel, none) == .ok)
    #expect(await Self.outcome(channel, ["x-envoy-fault-abort-grpc-request": "-9999999999999999"]) == .ok)
  }

  @Test("a delayed call waits before it looks for a server, and its deadline holds meanwhile") func delays()
    async throws
  {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let channel = try await channel(
      backend, fault: "\"delay\": {\"header_delay\": {}, \"percentage\": {\"numerator\": 100}}")
    defer { channel.close() }
    #expect(await Self.outcome(channel) == .ok)
    let start = ContinuousClock.now
    #expect(await Self.outcome(channel, ["x-envoy-fault-delay-request": "300"]) == .ok)
    #expect(start.duration(to: .now) >= .milliseconds(300))
    #expect(
      await Self.outcome(channel, ["x-envoy-fault-delay-request": "60000"], timeout: .milliseconds(200))
        == .deadlineExceeded)
  }

  @Test("no more faults are under way at once than the control plane allows") func active() async throws {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let channel = try await channel(
      backend,
      fault: "\"max_active_faults\": 1, \"delay\": {\"header_delay\": {}, \"percentage\": {\"numerator\": 100}}")
    defer { channel.close() }
    #expect(await Self.outcome(channel) == .ok)
    // The first is delayed as long as it lives; so no other one is.
    let first = channel.bidirectional(
      Method<[UInt8], [UInt8]>(service: "test.Backend", name: "Stream", kind: .bidirectional),
      options: {
        var options = CallOptions(timeout: .seconds(60))
        options.metadata = ["x-envoy-fault-delay-request": "60000"]
        return options
      }())
    #expect(await Self.outcome(channel, ["x-envoy-fault-delay-request": "50000"], timeout: .seconds(20)) == .ok)
    first.cancel()
    _ = await first.status
    try await eventually("the next one is delayed again") {
      await Self.outcome(channel, ["x-envoy-fault-delay-request": "50000"], timeout: .milliseconds(500))
        == .deadlineExceeded
    }
  }

  @Test("a fault that makes no sense is refused by its field") func refusal() async throws {
    let backend = try Backend("one")
    defer { backend.server.shutDown() }
    let channel = try await channel(
      backend, fault: "\"abort\": {\"http_status\": 999, \"percentage\": {\"numerator\": 100}}")
    defer { channel.close() }
    let error = await #expect(throws: StatusError.self) { try await Backend.ask(channel, calls: 1) }
    #expect(error?.code == .unavailable)
    try await eventually("the control plane is told why") {
      control.output.contains(
        "NACK listener the listener \"orders\": api_listener.http_filters[\"fault\"].abort.http_status")
    }
  }
}
