import Foundation
import Synchronization
import Testing
import Volery
import VoleryDNS
import VoleryNameResolution

@Suite("Files of the system that DNS look-ups read", .serialized, .timeLimit(.minutes(1))) struct SystemFileTests {
  struct Echo: Service {
    static let method = Method<[UInt8], [UInt8]>(service: "test.Echo", name: "Echo", kind: .unary)
    var handlers: [MethodHandler] { [.unary(Echo.method) { request, _ in request }] }
  }

  /// The first update that somebody who looks at a name gets.
  private func first(_ factory: any ResolverFactory, _ target: String) async throws -> ResolverUpdate {
    let resolver = try factory.makeResolver(for: try Target(parsing: target, knownSchemes: ["dns"]))
    let (updates, continuation) = AsyncStream.makeStream(of: ResolverUpdate.self)
    let task = Task {
      try await resolver.run {
        continuation.yield($0)
        return true
      }
    }
    defer { task.cancel() }
    for await update in updates { return update }
    return .resolved(Resolution(endpoints: []))
  }

  @Test("a resolv.conf that hangs (a pipe that nobody writes) holds up no connection, and is told")
  func hanging() async throws {
    let path = NSTemporaryDirectory() + "volery-resolv-\(UUID().uuidString)"
    #expect(mkfifo(path, 0o600) == 0)
    // Whoever waits for the pipe gets its end; several may, one after the other.
    defer {
      for _ in 0..<100 {
        let descriptor = open(path, O_RDWR | O_NONBLOCK)
        usleep(2000)
        close(descriptor)
      }
      unlink(path)
    }
    let server = Server(services: [Echo()])
    let address = try server.start(listeningOn: ListenAddress.tcp("127.0.0.1", 0))[0]
    defer { server.shutDown() }
    // Connections on every loop.
    let channels = try (0..<4).map { _ in try Channel("ipv4:\(address)") }
    for channel in channels {
      _ = try await channel.unary(Echo.method, [1], options: CallOptions(timeout: .seconds(10)))
    }
    var made = DNSResolverFactory()
    made.configurationPath = path
    // As a channel with these options has it.
    let factory = made.adopting(ResolverSettings(refreshInterval: .seconds(60)))
    let ended = Atomic<Int>(0)
    let looking = (0..<4).map { number in
      Task { @Sendable [factory] in
        defer { ended.add(1, ordering: .relaxed) }
        return try await first(factory, "dns:///hanging\(number).test.:7")
      }
    }
    // Whoever reads the pipe on a loop never comes back: no call of that loop ends before its deadline.
    var calls = 0
    while ended.load(ordering: .relaxed) < looking.count {
      for channel in channels {
        _ = try await channel.unary(Echo.method, [1], options: CallOptions(timeout: .seconds(10)))
        calls += 1
      }
      try await Task.sleep(for: .milliseconds(1))
    }
    #expect(calls > 20, "while the look-ups hang")
    for look in looking {
      guard case .failed(let error) = try await look.value else {
        Issue.record("it can't be known")
        continue
      }
      #expect(error.message.contains("/etc/resolv.conf and /etc/hosts were not read within"), "\(error)")
    }
  }

  @Test(
    "a DNS server that refuses to answer is named, with what it has said",
    arguments: [(2, "SERVFAIL"), (4, "NOTIMP"), (5, "REFUSED")])
  func refusals(_ code: UInt8, _ name: String) async throws {
    let server = StubbornNameServer(code: code)
    let update = try await first(DNSResolverFactory(), "dns://127.0.0.1:\(server.port)/pods.test.:7")
    guard case .failed(let error) = update else {
      Issue.record("\(update)")
      return
    }
    #expect(error.message == "DNS look-up of pods.test. failed: \(name) from 127.0.0.1:\(server.port)")
    let channel = try Channel("dns://127.0.0.1:\(server.port)/pods.test.:7")
    do throws(StatusError) {
      _ = try await channel.unary(Echo.method, [1], options: CallOptions(timeout: .seconds(10)))
      Issue.record("it can't succeed")
    } catch {
      #expect(error.code == .unavailable)
      #expect(error.message.contains("\(name) from 127.0.0.1:\(server.port)"), "\(error)")
    }
    withExtendedLifetime(server) {}
  }
}
