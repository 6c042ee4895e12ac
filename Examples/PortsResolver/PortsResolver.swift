import Foundation
import Volery

// Written from "A resolver of your own" in Docs/Resolvers.md.

/// `ports:///tmp/ports`: servers of this machine, whose ports stand in a file, one a line.
final class PortsResolver: Resolver {
  private let file: String

  init(file: String) { self.file = file }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    while true {
      let ports = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
      let note = ports.isEmpty ? "\(file) has no port" : "the ports in \(file)"
      _ = publish(.resolved(Resolution(endpoints: ports.map { Endpoint(.tcp("127.0.0.1", $0)) }, note: note)))
      try await Task.sleep(for: .seconds(1))
    }
  }

  func resolveNow(_ cause: ResolveCause) {}  // It looks every second as it is.
}

struct PortsResolverFactory: ResolverFactory {
  let scheme = "ports"

  func makeResolver(for target: Target) throws -> any Resolver {
    guard target.authority.isEmpty else {
      throw StatusError(.invalidArgument, "write ports:///FILE, with three slashes")
    }
    return PortsResolver(file: "/" + target.endpoint)
  }

  func defaultAuthority(for target: Target) -> String { "localhost" }
}
