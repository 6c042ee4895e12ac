import Foundation
import Synchronization
import TestSupport
import Testing
import Volery
import VoleryEventLoops
import VoleryHTTP2Transport
import VoleryTLSSession

/// A folder as Kubernetes mounts a secret: files are links into `..data`, which is itself a link that is swapped.
final class SecretFolder: Sendable {
  let path: String
  private let count = Mutex(0)

  init() throws {
    path = NSTemporaryDirectory() + "volery-secret-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in ["tls.crt", "tls.key", "ca.crt"] {
      try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: "..data/\(name)")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var certificate: TLSSource { .file("\(path)/tls.crt") }
  var key: TLSSource { .file("\(path)/tls.key") }
  var roots: TLSRoots { .file("\(path)/ca.crt") }

  /// Puts other files there in one step.
  func swap(certificate: String, key: String? = nil, roots: String = "ca") throws {
    let version = count.withLock { count in
      count += 1
      return "..version\(count)"
    }
    let files = FileManager.default
    try files.createDirectory(atPath: "\(path)/\(version)", withIntermediateDirectories: false)
    let sources = ["tls.crt": "\(certificate).crt", "tls.key": "\(key ?? certificate).key", "ca.crt": "\(roots).crt"]
    for (name, source) in sources {
      try files.copyItem(atPath: Certificates.path(source), toPath: "\(path)/\(version)/\(name)")
    }
    try files.createSymbolicLink(atPath: "\(path)/..data_tmp", withDestinationPath: version)
    rename("\(path)/..data_tmp", "\(path)/..data")
  }
}

@Suite("Certificates that change while a server runs", .timeLimit(.minutes(1))) struct ReloadTests {
  static var fast: TLSOptions {
    var options = TLSOptions()
    options.reloadInterval = .milliseconds(20)
    return options
  }

  /// The certificate that a new connection gets.
  static func shown(_ stage: TLSStage) async throws -> String {
    let channel = try stage.channel()
    return try await channel.echo().peer?.identity?.commonName ?? "none"
  }

  @Test("files that hang hold up no event loop: what was there before holds until they can be read again")
  func hanging() async throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    let pool = BlockingPool(threads: 1)
    let gate = DispatchSemaphore(value: 0)
    // The file system hangs: nothing is read until this is over.
    #expect(pool.run { gate.wait() })
    let loop = try EventLoopGroup.shared().next()
    let reloads = Mutex(0)
    let configuration = TLSConfiguration(
      role: .server, keyPair: TLSKeyPair(certificate: secret.certificate, key: secret.key),
      peer: .init(demand: .notAsked), options: Self.fast)
    let reloader = try TLSReloader(configuration, on: loop, pool: pool) { _ in reloads.withLock { $0 += 1 } }
    let first = ObjectIdentifier(reloader.current)
    try secret.swap(certificate: "server2")
    for _ in 0..<20 {
      await withCheckedContinuation { turn in
        loop.execute { _ = loop.schedule(after: .milliseconds(10)) { turn.resume() } }
      }
    }
    #expect(reloads.withLock { $0 } == 0)
    #expect(ObjectIdentifier(reloader.current) == first)
    gate.signal()
    try await eventually("the files are read") { reloads.withLock { $0 } > 0 }
    #expect(ObjectIdentifier(reloader.current) != first)
  }

  @Test("a swapped secret holds for new connections, and those that are open stay") func swap() async throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    let credentials = ServerCredentials.tls(certificate: secret.certificate, key: secret.key, options: Self.fast)
    try await TLSStage.with(credentials) { stage in
      let old = try stage.channel()
      #expect(try await old.echo().peer?.identity?.commonName == "server")
      for (index, name) in ["server2", "rsa", "server"].enumerated() {
        try secret.swap(certificate: name)
        try await stage.log.lines(containing: "certificates were read anew", count: index + 1)
        let shown = try await Self.shown(stage)
        #expect(shown == name)
        #expect(try await old.echo().peer?.identity?.commonName == "server", "the old connection has stayed")
      }
    }
  }

  @Test("bad files keep the old ones and are told once; good ones end that") func badFiles() async throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    let credentials = ServerCredentials.tls(certificate: secret.certificate, key: secret.key, options: Self.fast)
    try await TLSStage.with(credentials) { stage in
      try secret.swap(certificate: "server2", key: "server")
      let line = try await stage.log.line(containing: "can't be used; those of before stay")
      #expect(line.hasPrefix("error") && line.contains("does not belong to") && line.contains("CN=server2"), "\(line)")
      #expect(try await Self.shown(stage) == "server")
      try secret.swap(certificate: "half", key: "server")
      try await stage.log.lines(containing: "those of before stay", count: 2)
      #expect(stage.log.lines.contains { $0.contains("cut off") })
      try secret.swap(certificate: "server2")
      _ = try await stage.log.line(containing: "certificates were read anew")
      #expect(try await Self.shown(stage) == "server2")
      #expect(stage.log.lines.count { $0.contains("those of before stay") } == 2)
    }
  }

  @Test("a file that is written in two steps is not told as bad") func twoSteps() async throws {
    let folder = NSTemporaryDirectory() + "volery-steps-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func put(_ source: String, _ name: String) throws {
      try Data(Certificates.bytes(source)).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    try put("server.crt", "tls.crt")
    try put("server.key", "tls.key")
    var options = TLSOptions()
    // It is watched: this is how long it may stay half.
    options.reloadInterval = .seconds(10)
    let credentials = ServerCredentials.tls(
      certificate: .file("\(folder)/tls.crt"), key: .file("\(folder)/tls.key"), options: options)
    try await TLSStage.with(credentials) { stage in
      try put("server2.crt", "tls.crt")
      try put("server2.key", "tls.key")
      _ = try await stage.log.line(containing: "certificates were read anew")
      #expect(try await Self.shown(stage) == "server2")
      #expect(!stage.log.lines.contains { $0.contains("those of before stay") })
    }
  }

  @Test("a change counts at once, however seldom the files are looked at") func watched() async throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    var options = TLSOptions()
    options.reloadInterval = .seconds(3600)
    let credentials = ServerCredentials.tls(certificate: secret.certificate, key: secret.key, options: options)
    try await TLSStage.with(credentials) { stage in
      for (index, name) in ["server2", "rsa", "server"].enumerated() {
        try secret.swap(certificate: name)
        try await stage.log.lines(containing: "certificates were read anew", count: index + 1)
        #expect(try await Self.shown(stage) == name)
      }
    }
  }

  @Test("what can't be used is told once, when it has been so for an interval, however often it is looked at")
  func patience() throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server")
    var options = TLSOptions()
    options.reloadInterval = .seconds(10)
    let source = try TLSContextSource(
      TLSConfiguration(
        role: .server, keyPair: TLSKeyPair(certificate: secret.certificate, key: secret.key),
        peer: .init(demand: .notAsked), options: options))
    let start = ContinuousClock.now
    func isTold(after seconds: Int) -> Bool {
      if case .refused = source.checkFiles(at: start + .seconds(seconds)) { true } else { false }
    }
    try secret.swap(certificate: "server2", key: "server")
    #expect([0, 1, 9].map { isTold(after: $0) } == [false, false, false])
    // Another state of the files, with a patience of its own.
    try secret.swap(certificate: "half", key: "server")
    #expect([10, 11, 19, 20, 21, 40].map { isTold(after: $0) } == [false, false, false, true, false, false])
    try secret.swap(certificate: "server2")
    guard case .reloaded = source.checkFiles(at: start + .seconds(41)) else {
      Issue.record("good files are used")
      return
    }
    #expect(!isTold(after: 60))
  }

  @Test("roots for clients, and a client's own certificate and roots, change too") func bothSides() async throws {
    let secret = try SecretFolder()
    try secret.swap(certificate: "server", roots: "other-ca")
    let credentials = ServerCredentials.tls(
      certificate: secret.certificate, key: secret.key, clients: .required(secret.roots), options: Self.fast)
    let mine = try SecretFolder()
    try mine.swap(certificate: "client", roots: "other-ca")
    try await TLSStage.with(credentials) { stage in
      let log = LogRecorder()
      let own = TLSKeyPair.pair(certificate: mine.certificate, key: mine.key)
      let channel = try stage.channel(.tls(roots: mine.roots, identity: own, options: Self.fast), log: log)
      let first = await failure { _ = try await channel.echo() }
      #expect(first.contains("CN=Test Root"), "\(first)")
      try mine.swap(certificate: "other-client")
      try await log.lines(containing: "certificates were read anew", count: 1)
      channel.resetBackoff()
      try await channel.waitUntilReady(.after(.seconds(20)))
      #expect(try await channel.who()[3].contains("CN=other client"))
      try secret.swap(certificate: "server", roots: "ca")
      try await stage.log.lines(containing: "certificates were read anew", count: 1)
      channel.enterIdle()
      _ = await channel.waitForStateChange(from: .ready)
      let refused = await failure { _ = try await channel.echo() }
      #expect(refused.contains("it does not know who signed"), "a session of before must not be resumed: \(refused)")
    }
  }
}
