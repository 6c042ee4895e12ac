import Foundation
import TestSupport
import Testing
import Volery

#if canImport(Glibc)
  import Glibc
#endif

@Suite("The file resolver", .timeLimit(.minutes(1))) struct FileResolverTests {
  /// A folder of its own, gone with it.
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("volery-file-\(UUID().uuidString)").path

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ text: String, to name: String) throws {
      try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    /// As a careful writer does it.
    func replace(_ name: String, _ text: String) throws {
      try write(text, to: "\(name).new")
      #expect(rename("\(path)/\(name).new", "\(path)/\(name)") == 0)
    }

    /// As Kubernetes does it: a new folder, and a link that is swapped for one to it.
    func swap(_ text: String, _ version: String) throws {
      try FileManager.default.createDirectory(atPath: "\(path)/..\(version)", withIntermediateDirectories: true)
      try write(text, to: "..\(version)/pods.json")
      #expect(symlink("..\(version)", "\(path)/..data_tmp") == 0)
      #expect(rename("\(path)/..data_tmp", "\(path)/..data") == 0)
    }
  }

  private func text(_ ports: Int...) -> String {
    #"{"endpoints":[\#(ports.map { #""127.0.0.1:\#($0)""# }.joined(separator: ","))]}"#
  }

  private func updates(_ folder: Folder) throws -> ResolutionUpdates.AsyncIterator {
    try Resolution.updates(of: "file://\(folder.path)/pods.json").makeAsyncIterator()
  }

  /// The same of a resolver that never looks by itself: whoever hears of a change has been told of it.
  private func watched(_ folder: Folder) throws -> ResolutionUpdates.AsyncIterator {
    var factory = FileResolverFactory()
    factory.interval = .seconds(3600)
    return try Resolution.updates(of: "file://\(folder.path)/pods.json", resolvers: ResolverRegistry([factory]))
      .makeAsyncIterator()
  }

  private func ports(_ found: ResolutionUpdates.Element?) -> [Int] {
    (found?.endpoints ?? []).map { if case .tcp(_, let port)? = $0.addresses.first { port } else { 0 } }
  }

  /// Waits until the resolver tells of these.
  private func expect(_ expected: [Int], from updates: inout ResolutionUpdates.AsyncIterator) async throws {
    while let found = await updates.next() {
      if ports(found) == expected { return }
    }
    throw CancellationError()
  }

  @Test("a file that is replaced, and one that is rewritten in place, counts at once") func changes() async throws {
    let folder = try Folder()
    try folder.write(text(1), to: "pods.json")
    var updates = try watched(folder)
    #expect(ports(await updates.next()) == [1])
    for port in 2..<12 {
      port % 2 == 0
        ? try folder.replace("pods.json", text(port, port + 1))
        : try folder.write(text(port, port + 1), to: "pods.json")
      try await expect([port, port + 1], from: &updates)
    }
  }

  @Test("a ConfigMap's swapped link counts at once") func configMap() async throws {
    let folder = try Folder()
    try folder.swap(text(1), "v0")
    #expect(symlink("..data/pods.json", "\(folder.path)/pods.json") == 0)
    var updates = try watched(folder)
    #expect(ports(await updates.next()) == [1])
    for version in 1..<6 {
      try folder.swap(text(version + 1), "v\(version)")
      try FileManager.default.removeItem(atPath: "\(folder.path)/..v\(version - 1)")
      try await expect([version + 1], from: &updates)
    }
  }

  @Test("a file behind a link to somewhere else is followed there") func farLink() async throws {
    let (folder, far) = (try Folder(), try Folder())
    try far.write(text(1), to: "far.json")
    #expect(symlink("\(far.path)/far.json", "\(folder.path)/pods.json") == 0)
    var updates = try watched(folder)
    #expect(ports(await updates.next()) == [1])
    for port in 2..<6 {
      try far.replace("far.json", text(port))
      try await expect([port], from: &updates)
    }
  }

  @Test("a bad, half-written or removed file changes nothing, and is told once") func badFile() async throws {
    let folder = try Folder()
    try folder.write(text(1, 2), to: "pods.json")
    var updates = try updates(folder)
    #expect(ports(await updates.next()) == [1, 2])
    for (bad, reason) in [
      (String(text(3, 4).dropLast(9)), "not JSON"),
      (#"{"endpoints":[{"adress":"1.2.3.4:5"}]}"#, "endpoints[0] has no address"),
    ] {
      try folder.replace("pods.json", bad)
      let found = try #require(await updates.next())
      #expect(ports(found) == [1, 2])
      #expect(found.failure?.message.contains(reason) == true, "\(found.failure?.message ?? "")")
      #expect(found.failure?.message.contains("/pods.json") == true)
    }
    try FileManager.default.removeItem(atPath: "\(folder.path)/pods.json")
    let gone = try #require(await updates.next())
    #expect(ports(gone) == [1, 2])
    #expect(gone.failure?.message.contains("No such file") == true)
    try folder.write(text(5), to: "pods.json")
    let back = try #require(await updates.next())
    #expect(ports(back) == [5])
    #expect(back.failure == nil)
  }

  #if canImport(Glibc)
    /// Tells when somebody has read a file to its end.
    private final class ReadWatch {
      private let descriptor: Int32

      init(_ path: String) throws {
        descriptor = inotify_init1(Int32(IN_CLOEXEC))
        try #require(inotify_add_watch(descriptor, path, UInt32(IN_CLOSE_NOWRITE)) >= 0)
      }

      deinit { close(descriptor) }

      func waitUntilRead() throws {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 20_000) == 1 else { throw NeverHappened("within 20 s: the file is read") }
      }
    }

    @Test("a file that is written slowly is not complained of") func slowWriter() async throws {
      let folder = try Folder()
      try folder.write(text(1), to: "pods.json")
      var updates = try updates(folder)
      #expect(ports(await updates.next()) == [1])
      let whole = text(2, 3)
      let watch = try ReadWatch("\(folder.path)/pods.json")
      try folder.write(String(whole.prefix(10)), to: "pods.json")
      // The resolver has seen the half of it.
      try watch.waitUntilRead()
      try folder.write(whole, to: "pods.json")
      let found = try #require(await updates.next())
      #expect(ports(found) == [2, 3])
      #expect(found.failure == nil)
    }
  #endif

  @Test("a file that is not there yet, nor its folder, is found when it comes") func lateFile() async throws {
    let folder = try Folder()
    var updates = try Resolution.updates(of: "file://\(folder.path)/sub/pods.json").makeAsyncIterator()
    #expect(await updates.next()?.failure != nil)
    try FileManager.default.createDirectory(atPath: "\(folder.path)/sub", withIntermediateDirectories: true)
    try folder.write(text(1), to: "sub/pods.json")
    #expect(ports(await updates.next()) == [1])
  }

  @Test("what is no regular file is refused, not waited for") func pipeFile() async throws {
    let folder = try Folder()
    #expect(mkfifo("\(folder.path)/pods.json", 0o600) == 0)
    var updates = try updates(folder)
    #expect(await updates.next()?.failure?.message.contains("not a regular file") == true)
  }

  @Test("everything that a file may say") func everything() async throws {
    let folder = try Folder()
    try folder.write(
      """
      {"comment": "unknown members are ignored", "endpoints": [
        "10.0.0.1:50051", {"address": "unix:/run/x.sock", "zone": "eu-1a", "weight": 3},
        {"addresses": ["[fd00::3]:1", "10.0.0.3:1"], "priority": 1, "serverName": "three", "attributes": {"shard": "7"}}],
       "serviceConfig": {"methodConfig": [{"name": [{}], "timeout": "2s"}]}}
      """, to: "pods.json")
    var updates = try updates(folder)
    let found = try #require(await updates.next())
    #expect(found.endpoints.map(\.description) == ["10.0.0.1:50051", "unix:/run/x.sock", "[[fd00::3]:1, 10.0.0.3:1]"])
    #expect(found.endpoints[1].attributes.zone == "eu-1a")
    #expect(found.endpoints[1].attributes.weight == 3)
    #expect(found.endpoints[2].attributes.priority == 1)
    #expect(found.endpoints[2].attributes.serverName == "three")
    #expect(found.endpoints[2].attributes.custom == ["shard": "7"])
    #expect(found.serviceConfig?[MethodDescriptor(service: "a", name: "b", kind: .unary)]?.timeout == .seconds(2))
  }

  @Test(
    "what makes no sense says where",
    arguments: [
      ("[]", "endpoints"), ("{}", "endpoints"), (#"{"endpoints":{}}"#, "not a list"),
      (#"{"endpoints":[7]}"#, "endpoints[0]"),
      (#"{"endpoints":["pods.test:1"]}"#, "not an IP address"), (#"{"endpoints":["10.0.0.1"]}"#, "with a port"),
      (#"{"endpoints":["1.1.1.1:1",{"address":"1.1.1.1:1","weight":-1}]}"#, "endpoints[1].weight"),
      (#"{"endpoints":[{"address":"1.1.1.1:1","weight":4294967296}]}"#, "too large"),
      (#"{"endpoints":[{"address":"1.1.1.1:1","zone":7}]}"#, "zone"),
      (#"{"endpoints":[{"addresses":[7]}]}"#, "addresses[0]"),
      (#"{"endpoints":[{"address":"1.1.1.1:1","attributes":{"a":1}}]}"#, "attributes.a"), ("\u{0}", "not JSON"),
      ("", "not JSON"),
    ])
  func nonsense(_ text: String, _ reason: String) {
    let error = #expect(throws: ServiceConfigError.self) { try EndpointFile.parse(text, note: "x") }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test("a target with a host, which a missing slash makes, is refused") func twoSlashes() {
    #expect(throws: TargetError.self) { try Resolution.updates(of: "file://etc/pods.json") }
  }
}
