import Configuration
import Foundation
import Logging
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryProxy
import VoleryProxyConfiguration

/// A proxy that follows its file.
@Suite("A proxy's new settings", .serialized, .timeLimit(.minutes(3))) struct ReloadTests {
  private func write(_ text: String, to path: String) throws {
    // In one step, as editors and Kubernetes do.
    try text.write(toFile: path + ".new", atomically: false, encoding: .utf8)
    #expect(rename(path + ".new", path) == 0)
  }

  private func temporaryFile() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("proxy-\(UUID().uuidString).yaml").path
  }

  @Test("a change of the file moves the calls without losing one, and a wrong file is one line and changes nothing")
  func change() async throws {
    let servers = try NamedServers("old", "new")
    defer { servers.shutDown() }
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let listen = "listen: [\"127.0.0.1:0\", \"unix:\(path).sock\"]"
    try write("\(listen)\ntarget: \(servers.addresses[0])\n", to: path)
    let recorder = LogRecorder()
    let configured = try await ConfiguredProxy(
      SettingSource(
        file: path, environment: ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: [:]))),
      services: [Health()], logger: recorder.logger)
    try await configured.following {
      let address = try configured.proxy.start(listeningOn: configured.listen)[0]
      let channel = try Channel("\(address)")
      #expect(try await channel.whoAnswers("shop.Stock") == "old")
      let isOver = Atomic<Bool>(false)
      async let failures = calls(on: channel, until: isOver)
      try write("\(listen)\ntarget: \(servers.addresses[1])\n", to: path)
      try await eventually("the new target has the calls") { try await channel.whoAnswers("shop.Stock") == "new" }
      #expect(recorder.lines.count { $0.contains("read anew") } == 1)

      // Somebody wants it, although it is as it was.
      kill(getpid(), SIGHUP)
      try await recorder.lines(containing: "read anew", count: 2)
      #expect(try await channel.whoAnswers("shop.Stock") == "new")

      // Right in all other lines, with the old target: nothing of it holds. The last one is what only a start can change.
      let wrong = [
        ("nonsense: 1\n", ":3: nonsense: there is no such key"),
        ("maxHops: many\n", ":3: maxHops: \"many\" is not a number"),
        ("targets: {self: {target: {host: localhost, port: 0}}}\n", ":3: targets.self.target.port: "),
        ("targets: {self: \"unix:\(path).sock\"}\n", ":3: targets.self: unix://\(path).sock is this proxy itself"),
        ("routes: [{target: none}]\n", ":3: routes[0].target: there is no target \"none\""),
        ("tls: {certificate: /none, key: /none}\n", ":3: tls: it can't be changed while the proxy runs"),
        ("targetTls: {roots: /none}\n", ":3: targetTls: "), ("x: [", ":4: not YAML"),
        (String(repeating: "# long\n", count: 1 << 18), "it is larger than 1 MiB"),
      ]
      for (count, (lines, fault)) in wrong.enumerated() {
        try write("\(listen)\ntarget: \(servers.addresses[0])\n\(lines)", to: path)
        try await recorder.lines(containing: "the new configuration is not used", count: count + 1)
        let line = recorder.lines.last { $0.contains("is not used") } ?? ""
        #expect(line.contains(fault.hasPrefix(":") ? path + fault : fault), "\(line)")
        #expect(try await channel.whoAnswers("shop.Stock") == "new")
      }
      try write("listen: 127.0.0.1:1\ntarget: \(servers.addresses[0])\n", to: path)
      _ = try await recorder.line(containing: "\(path):1: listen: it can't be changed")
      #expect(try await channel.whoAnswers("shop.Stock") == "new")
      isOver.store(true, ordering: .relaxed)
      #expect(try await failures == 0)
      #expect(recorder.lines.count { $0.contains("is not used") } == wrong.count + 1)
    }
    await configured.proxy.drain(limit: .zero)
  }

  /// How many calls have failed.
  private func calls(on channel: Channel, until isOver: borrowing Atomic<Bool>) async throws -> Int {
    var failures = 0
    while !isOver.load(ordering: .relaxed) {
      do { _ = try await channel.whoAnswers("shop.Orders") } catch { failures += 1 }
    }
    return failures
  }

  @Test("SIGHUP reads the file anew, and does not end the program") func hangUp() async throws {
    let servers = try NamedServers("old", "new")
    defer { servers.shutDown() }
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try write("listen: 127.0.0.1:0\ntarget: \(servers.addresses[0])\n", to: path)
    let process = try ChildProcess([ProxyProgram.path, "--config", path])
    let address = try await blocking { try ProxyProgram.firstAddress(of: process) }
    let channel = try Channel(address)
    #expect(try await channel.whoAnswers("shop.Stock") == "old")
    process.signal(SIGHUP)
    #expect(try await channel.whoAnswers("shop.Stock") == "old")
    try write("listen: 127.0.0.1:0\ntarget: \(servers.addresses[1])\n", to: path)
    process.signal(SIGHUP)
    try await eventually("the new target has the calls") { try await channel.whoAnswers("shop.Stock") == "new" }
    #expect(try await blocking { process.stop(SIGTERM) } == 0)
  }

  @Test("--check says whether a file is right, and exits with 2 where it is not") func check() throws {
    let path = temporaryFile()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try write("target: dns:///orders:50051\n", to: path)
    let right = try ChildProcess.run([ProxyProgram.path, "--check", path])
    #expect(right.code == 0 && right.output == "\(path) is right\n")
    // What the program knows besides what every channel does.
    try write(
      "targets: {orders: 'k8s:///orders.shop:grpc', own: 'k8s:///stock:50051'}\nroutes: [{target: own}]\n", to: path)
    let pods = try ChildProcess.run([ProxyProgram.path, "--check", path])
    #expect(pods.code == 0, "\(pods.output)")
    for (wrong, fault) in [
      ("target: a:1\nfoo: 1\n", "\(path):2: foo: there is no such key"),
      ("target: a:1\nmaxHops: [1]\n", "\(path):2: maxHops: this takes one value"),
      (
        "listen: 127.0.0.1:8080\n\ntarget: localhost:8080\n",
        "\(path):3: target: dns:///localhost:8080 is this proxy itself"
      ),
      ("targets: {a: x:1}\nroutes: [{target: b}]\n", "\(path):2: routes[0].target: there is no target \"b\""),
      ("target: a:1\ntls: {certificate: /no/such, key: /no/such}\n", "\(path):2: tls: the certificate /no/such"),
      ("target: a:1\ntargetTls:\n  roots: /no/such\n", "\(path):2: targetTls: "),
      (
        "targets:\n  a: b:1\n  c:\n    target: d:1\n    tls: {certificate: /no/such, key: /no/such}\nroutes: [{target: a}]\n",
        "\(path):5: targets.c.tls: the certificate /no/such"
      ),
      ("[", "\(path):2: not YAML"),
      ("name: x", "\(path):1: there is no target"), ("target: 'k8s:///Orders.shop:grpc'\n", "\(path):1: target: "),
      ("target: 'k8s://shop/orders'\n", "\(path):1: target: "),
    ] {
      try write(wrong, to: path)
      for option in ["--check", "--config"] {
        let (output, code) = try ChildProcess.run([
          "sh", "-c", "exec \"$@\" 2>&1", "sh", ProxyProgram.path, option, path,
        ])
        #expect(code == 2 && output.hasPrefix(fault), "\(option) \(wrong): \(output)")
      }
    }
    #expect(try ChildProcess.run([ProxyProgram.path, "--check", path + ".none"]).code == 2)
  }
}
