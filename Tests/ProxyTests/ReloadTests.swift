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
    try write("listen: 127.0.0.1:0\ntarget: \(servers.addresses[0])\n", to: path)
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
      try write("listen: 127.0.0.1:0\ntarget: \(servers.addresses[1])\n", to: path)
      try await eventually("the new target has the calls") { try await channel.whoAnswers("shop.Stock") == "new" }
      #expect(recorder.lines.count { $0.contains("read anew") } == 1)

      try write("listen: 127.0.0.1:0\ntarget: \(servers.addresses[0])\nnonsense: 1\n", to: path)
      let line = try await recorder.line(containing: "the new configuration is not used")
      #expect(line.contains("\(path):3: nonsense: there is no such key"), "\(line)")
      #expect(try await channel.whoAnswers("shop.Stock") == "new")

      // What only a start can change refuses all of it.
      try write("listen: 127.0.0.1:1\ntarget: \(servers.addresses[0])\n", to: path)
      _ = try await recorder.line(containing: "listen can't be changed")
      #expect(try await channel.whoAnswers("shop.Stock") == "new")
      isOver.store(true, ordering: .relaxed)
      #expect(try await failures == 0)
      #expect(recorder.lines.count { $0.contains("is not used") } == 2)
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
    for wrong in [
      "target: a:1\nfoo: 1\n", "target: a:1\ntls: {certificate: /no/such, key: /no/such}\n", "[", "name: x",
      "target: 'k8s:///Orders.shop:grpc'\n", "target: 'k8s://shop/orders'\n",
    ] {
      try write(wrong, to: path)
      #expect(try ChildProcess.run([ProxyProgram.path, "--check", path]).code == 2, "\(wrong)")
      #expect(try ChildProcess.run([ProxyProgram.path, "--config", path]).code == 2, "\(wrong)")
    }
    #expect(try ChildProcess.run([ProxyProgram.path, "--check", path + ".none"]).code == 2)
  }
}
