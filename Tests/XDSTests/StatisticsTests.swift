import Foundation
import TestSupport
import Testing

/// `volery-interop xds-client` at an `xds:` target, with servers of its own kind, asked by grpcio's stubs as gRPC's test driver
/// does (grpc/grpc doc/xds-test-descriptions.md: path_matching and traffic_splitting).
@Suite("The xds-client of gRPC's tests", .serialized, .timeLimit(.minutes(3))) struct StatisticsTests {
  private static let program = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("volery-interop").path

  /// A process that has said where it listens.
  private final class Program: Sendable {
    let process: ChildProcess
    let port: Int

    init(_ arguments: [String]) throws {
      process = try ChildProcess(arguments)
      let line = try process.readLine().line
      guard line.hasPrefix("LISTENING "), let port = line.split(separator: ":").last.flatMap({ Int($0) }) else {
        throw NeverHappened("\(arguments) listens; it said \(line)")
      }
      self.port = port
    }

    deinit { _ = process.stop(SIGKILL) }
  }

  @Test("tells where its calls went: by their path to one cluster, the others by the weights of two") func shares()
    async throws
  {
    let control = try ControlPlane()
    let servers = try await blocking {
      try ["a", "b", "c"].map {
        try Program([StatisticsTests.program, "server", "--bind", "127.0.0.1:0", "--hostname", $0])
      }
    }
    try control.set("listener", Resources.listener("orders", routes: "r"))
    let names = ["a", "b", "c"]
    let endpoints = zip(names, servers).map { Resources.endpoints($0, [(0, 1, [$1.port])]) }
    try control.set("endpoints", endpoints.joined(separator: ","))
    try control.set("cluster", names.map { Resources.cluster($0) }.joined(separator: ","))
    try control.set(
      "routes",
      Resources.routes(
        "r", Resources.to("c", match: #"{"path": "/grpc.testing.TestService/EmptyCall"}"#),
        Resources.split(["a": 20, "b": 80])))
    let bootstrap = ControlPlane.bootstrap(port: try await control.start())
    let client = try await blocking {
      try Program([
        "env", "GRPC_XDS_BOOTSTRAP_CONFIG=\(bootstrap)", StatisticsTests.program, "xds-client",
        "--server=xds:///orders",
        "--stats_port=0", "--qps=50", "--rpc=EmptyCall,UnaryCall", "--rpc_timeout_sec=60",
      ])
    }
    let output = try await blocking {
      let (python, _) = try ChildProcess.run([ControlPlane.folder + "/../Interop/environment.sh"])
      return try ChildProcess.run([
        python.trimmingCharacters(in: .whitespacesAndNewlines), ControlPlane.folder + "/../Interop/balanced.py", "ask",
        "\(client.port)", "1000",
      ]).output
    }
    let found = try JSONDecoder().decode([String: [String: Int]].self, from: Data(output.utf8))
    #expect(found["EmptyCall"] == ["c": 500])
    let unary = found["UnaryCall"] ?? [:]
    #expect(Set(unary.keys) == ["a", "b"] && (unary["a"] ?? 0) + (unary["b"] ?? 0) == 500)
    // Five standard deviations of 500 draws are 45.
    #expect(abs((unary["a"] ?? 0) - 100) < 45, "\(unary)")
    #expect(client.process.stop(SIGTERM) == 0)
    withExtendedLifetime(servers) {}
  }

  @Test("with --secure_mode=true it goes by the certificates that the control plane names") func secure() async throws {
    let control = try ControlPlane()
    let server = try await blocking {
      try Program([
        StatisticsTests.program, "server", "--bind", "127.0.0.1:0", "--use_tls", "--cert",
        TestCertificates.path("server.crt"), "--key", TestCertificates.path("server.key"), "--client_ca",
        TestCertificates.path("ca.crt"),
      ])
    }
    try control.set("listener", Resources.listener("orders", routes: "r"))
    try control.set("endpoints", Resources.endpoints("a", [(0, 1, [server.port])]))
    let tls = ClusterSecurityTests.transport(
      "\(ClusterSecurityTests.mutual), \"match_subject_alt_names\": [{\"exact\": \"orders.test\"}]}")
    try control.set("cluster", Resources.cluster("a", extra: tls))
    try control.set("routes", Resources.routes("r", Resources.to("a")))
    let files = ["certificate_file": "client.crt", "private_key_file": "client.key", "ca_certificate_file": "ca.crt"]
      .map { "\"\($0)\": \"\(TestCertificates.path($1))\"" }.joined(separator: ", ")
    let bootstrap = ControlPlane.bootstrap(port: try await control.start()).replacingOccurrences(
      of: "\"node\":",
      with:
        "\"certificate_providers\": {\"whole\": {\"plugin_name\": \"file_watcher\", \"config\": {\(files)}}}, \"node\":"
    )
    for (isSecure, wanted) in [("true", "UnaryCall OK"), ("false", "UnaryCall UNAVAILABLE")] {
      let client = try await blocking {
        try Program([
          "env", "GRPC_XDS_BOOTSTRAP_CONFIG=\(bootstrap)", StatisticsTests.program, "xds-client",
          "--server=xds:///orders", "--stats_port=0", "--qps=5", "--print_response=true", "--secure_mode=\(isSecure)",
        ])
      }
      let line = try await blocking { try client.process.readLine().line }
      #expect(line.hasPrefix(wanted), "\(line)")
    }
    withExtendedLifetime(server) {}
  }
}
