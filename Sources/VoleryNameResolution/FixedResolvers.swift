import VoleryPlatform
import VoleryTypes

/// A resolver whose answer never changes.
package final class FixedResolver: Resolver {
  private let resolution: Resolution

  package init(_ resolution: Resolution) { self.resolution = resolution }

  package func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    _ = publish(.resolved(resolution))
    await untilCancelled()  // Nothing more will come.
  }

  package func resolveNow(_ cause: ResolveCause) {}

  package var isFixed: Bool { true }
}

/// Targets that are their own answer (doc/naming.md): `ipv4:`, `ipv6:`, `unix:`, `unix-abstract:`, and `static:` for a list
/// of any of them. Comma-separated addresses are one endpoint each.
struct FixedResolverFactory: ResolverFactory {
  let scheme: String
  let authority: @Sendable (Target) -> String
  let parse: @Sendable (Target) throws(TargetError) -> [SocketAddress]

  func makeResolver(for target: Target) throws -> any Resolver {
    try target.refuseQuery()
    try target.refuseAuthority()
    let addresses = try parse(target)
    return FixedResolver(Resolution(endpoints: addresses.map { Endpoint($0) }, note: "addresses given in the target"))
  }

  func defaultAuthority(for target: Target) -> String { authority(target) }
}

extension ResolverRegistry {
  /// `ipv4:`, `ipv6:`, `unix:`, `unix-abstract:` and `static:`.
  package static let fixed: [any ResolverFactory] = [
    list("ipv4") { text, target throws(TargetError) in
      let address = try tcp(text, target)
      guard case .tcp(let host, _) = address, !host.contains(":") else {
        throw TargetError("the target \"\(target)\": \"\(text)\" is not an IPv4 address")
      }
      return address
    },
    list("ipv6") { text, target throws(TargetError) in
      let address = try tcp(text, target)
      guard address.isIPv6 else { throw TargetError("the target \"\(target)\": \"\(text)\" is not an IPv6 address") }
      return address
    },
    list("static") { text, target throws(TargetError) in
      if text.hasPrefix("unix:") { return .unix(String(text.dropFirst(5))) }
      if text.hasPrefix("unix-abstract:") { return .unixAbstract(String(text.dropFirst(14))) }
      return try tcp(text, target)
    },
    FixedResolverFactory(scheme: "unix", authority: { _ in "localhost" }) { target in [.unix(target.endpoint)] },
    FixedResolverFactory(scheme: "in-process", authority: { $0.endpoint }) { target in [.inProcess(target.endpoint)] },
    FixedResolverFactory(scheme: "unix-abstract", authority: { _ in "localhost" }) { target in
      [.unixAbstract(target.endpoint)]
    },
  ]

  private static func list(
    _ scheme: String, _ parse: @escaping @Sendable (String, Target) throws(TargetError) -> SocketAddress
  ) -> any ResolverFactory {
    FixedResolverFactory(scheme: scheme) { target in
      target.elements.first ?? ""
    } parse: { target throws(TargetError) in
      var addresses: [SocketAddress] = []
      for part in target.elements {
        addresses.append(try parse(part, target))
      }
      return addresses
    }
  }

  /// `host:port`, `[v6]:port`, or without a port, which is 443 then.
  private static func tcp(_ text: String, _ target: Target) throws(TargetError) -> SocketAddress {
    guard let parts = HostAndPort(text, defaultPort: 443), AddressLiteral.isAddress(parts.host) else {
      throw TargetError("the target \"\(target)\": \"\(text)\" is not an IP address with a port")
    }
    try AddressLiteral.checkZone(of: parts.host, in: target)
    return .tcp(parts.host, parts.port)
  }
}
