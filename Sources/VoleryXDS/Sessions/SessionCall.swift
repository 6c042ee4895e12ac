import VoleryPlatform
package import VoleryTypes

/// A call that has sessions' cookies, or is to get them (gRFC A55, A60): where they want it to go, and what its caller is told.
/// What a cookie says is `ADDRESS[,ADDRESS...];CLUSTER`.
package final class SessionCall: Hashable, Sendable {
  private struct Sent: Sendable {
    let settings: SessionSettings
    /// What the call's own cookie says; empty without one.
    let hosts: [SocketAddress]
    let cluster: String

    init(_ settings: SessionSettings, _ metadata: Metadata) {
      self.settings = settings
      let text = settings.cookie.value(in: metadata).flatMap(SessionCookie.decoded) ?? ""
      let parts = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)
      let addresses = (parts.first ?? "").split(separator: ",", maxSplits: SessionCall.maxAddresses)
      hosts = addresses.prefix(SessionCall.maxAddresses).compactMap(SessionCall.address)
      cluster = parts.count == 2 ? String(parts[1]) : ""
    }
  }

  /// By which server the call wants to be answered, in their order; empty: by any.
  package let hosts: [SocketAddress]
  /// That of the call.
  package let cluster: String
  private let cookies: [Sent]

  /// A server of more addresses can be found by any of these.
  private static let maxAddresses = 8

  /// Nil where no cookie is for this call.
  ///
  /// - Parameters:
  ///   - clusters: Those of its route, one of which its cookie may want.
  ///   - chosen: What it gets otherwise.
  init?(
    _ settings: [SessionSettings], path: String, metadata: Metadata, clusters: [RouteTable.WeightedCluster],
    chosen: String
  ) {
    let cookies = settings.filter { $0.isFor(path) }.map { Sent($0, metadata) }
    guard !cookies.isEmpty else { return nil }
    self.cookies = cookies
    let wanted = cookies.first { !$0.hosts.isEmpty }
    hosts = wanted?.hosts ?? []
    cluster = clusters.first { $0.name == wanted?.cluster }?.name ?? chosen
  }

  /// A call that a policy's tests make.
  package init(hosts: [SocketAddress], cluster: String) {
    self.hosts = hosts
    self.cluster = cluster
    cookies = []
  }

  private static func address(_ text: Substring) -> SocketAddress? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (1...65535).contains(port)
    else { return nil }
    var host = text[..<colon]
    if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
    guard host.utf8.count < 64, AddressLiteral.isAddress(String(host)) else { return nil }
    return .tcp(String(host), port)
  }

  /// This server has answered: tells the caller where its cookies don't say so already.
  package func answered(by server: Endpoint, _ metadata: inout Metadata) {
    for sent in cookies {
      // A server of several addresses may be listed in another order by now.
      let isSame = sent.cluster == cluster && sent.hosts.contains(where: server.addresses.contains)
      guard !isSame else { continue }
      let addresses = server.addresses.prefix(SessionCall.maxAddresses).map { "\($0)" }.joined(separator: ",")
      metadata.append(sent.settings.header("\(addresses);\(cluster)"), for: "set-cookie")
    }
  }

  package static func == (left: SessionCall, right: SessionCall) -> Bool { left === right }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

extension Attributes {
  private enum Session: AttributeKey { typealias Value = SessionCall }

  /// Of a call: its session.
  package var session: SessionCall? {
    get { self[Session.self] }
    set { self[Session.self] = newValue }
  }
}
