import Foundation
import TestSupport
import Testing
import VoleryDNS
import VoleryNameResolution
import VoleryTypes

/// Against a real dnsmasq on a port of its own.
@Suite("The dns resolver", .serialized, .timeLimit(.minutes(1))) struct DNSResolverTests {
  /// What a resolver says, one after another.
  func updates(_ target: String, interval: Duration = .milliseconds(200)) throws -> AsyncStream<ResolverUpdate> {
    let parsed = try Target(parsing: target, knownSchemes: ["dns"])
    let resolver = try DNSResolverFactory(refreshInterval: interval).makeResolver(for: parsed)
    return AsyncStream { continuation in
      let task = Task {
        try await resolver.run { update in
          continuation.yield(update)
          if case .resolved(let resolution) = update { return !resolution.endpoints.isEmpty }
          return false
        }
      }
      let asking = Task {
        while !Task.isCancelled {
          try await Task.sleep(for: .milliseconds(200))
          resolver.resolveNow(.requested)
        }
      }
      continuation.onTermination = { _ in
        task.cancel()
        asking.cancel()
      }
    }
  }

  /// Waits for an answer with these hosts.
  func expect(_ hosts: Set<String>, from updates: AsyncStream<ResolverUpdate>) async {
    for await update in updates {
      guard case .resolved(let resolution) = update else { continue }
      let found = resolution.endpoints.flatMap(\.addresses).compactMap { address -> String? in
        if case .tcp(let host, 7) = address { host } else { nil }
      }
      if Set(found) == hosts { return }
    }
  }

  @Test("every address is an endpoint, and a changed answer is seen") func addresses() async throws {
    let server = try NameServer()
    defer { withExtendedLifetime(server) {} }
    try server.set(["127.0.0.11 pods.test", "127.0.0.12 pods.test"])
    let updates = try updates("dns://127.0.0.1:\(server.port)/pods.test.:7")
    await expect(["127.0.0.11", "127.0.0.12"], from: updates)
    try server.set(["127.0.0.12 pods.test", "127.0.0.13 pods.test", "::13 pods.test"])
    await expect(
      ["127.0.0.12", "127.0.0.13", "::13"], from: try self.updates("dns://127.0.0.1:\(server.port)/pods.test.:7"))
  }

  @Test("two hundred addresses come by TCP") func many() async throws {
    let server = try NameServer()
    defer { withExtendedLifetime(server) {} }
    try server.set((1...200).map { "127.0.1.\($0) many.test" })
    await expect(
      Set((1...200).map { "127.0.1.\($0)" }), from: try updates("dns://127.0.0.1:\(server.port)/many.test.:7"))
  }

  @Test("a name that is not there is an empty answer that says NXDOMAIN") func unknownName() async throws {
    let server = try NameServer()
    defer { withExtendedLifetime(server) {} }
    for await update in try updates("dns://127.0.0.1:\(server.port)/nobody.test.:7") {
      guard case .resolved(let resolution) = update else { continue }
      #expect(resolution.endpoints.isEmpty)
      #expect(resolution.note.contains("NXDOMAIN"))
      return
    }
  }

  @Test(
    "literals and localhost need no DNS",
    arguments: [
      ("127.0.0.1:7", ["127.0.0.1"]), ("[::1]:7", ["::1"]), ("localhost:7", ["127.0.0.1", "::1"]),
    ])
  func literals(_ target: String, _ hosts: [String]) async throws {
    await expect(Set(hosts), from: try updates("dns:///\(target)"))
  }

  @Test(
    "targets that can't ever be resolved are refused at once", arguments: ["dns:///a:b", "dns://x/a:1", "dns:///a:"])
  func refused(_ target: String) throws {
    #expect(throws: TargetError.self) { try updates(target) }
  }

  @Test("one server of two stacks is one endpoint, several addresses are several") func merging() {
    #expect(DNSMerge.endpoints(["1.1.1.1"], ["::1"], port: 1).count == 1)
    #expect(DNSMerge.endpoints(["1.1.1.1", "1.1.1.2"], ["::1"], port: 1).count == 3)
    #expect(DNSMerge.endpoints(["1.1.1.1", "1.1.1.1"], [], port: 1).count == 1)
  }
}
