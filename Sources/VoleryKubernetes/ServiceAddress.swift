package import VoleryNameResolution
import VoleryPrimitives

/// Which port of a Service's pods is meant.
package enum ServicePort: Hashable, Sendable {
  /// The only one that its EndpointSlices list, or the one that is gRPC's by its name or its appProtocol.
  case only
  /// This one, whether the EndpointSlices list it or not, as behind a DNS name.
  case number(Int)
  /// What the Service calls it, which may be another number in each pod.
  case named(String)
}

/// What a `k8s:` target names: a Service, and a port of its pods.
package struct ServiceAddress: Hashable, Sendable {
  package var service: String
  /// Nil: that of this pod, or of the kubeconfig's context.
  package var namespace: String?
  package var port: ServicePort
  /// The name as it stands in the target.
  package var host: String

  /// `orders`, `orders.shop`, `orders.shop.svc`, `orders.shop.svc.cluster.local`, each with `:50051`, `:grpc`, or nothing.
  package init(_ target: Target) throws(TargetError) {
    try target.refuseQuery()
    guard target.authority.isEmpty else {
      throw TargetError(
        "the target \"\(target)\" has the authority \"\(target.authority)\": write "
          + "\(target.scheme):///SERVICE.NAMESPACE:PORT, with three slashes; which API server is asked is the factory's to say"
      )
    }
    let parts = target.endpoint.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    host = String(parts[0])
    if host.hasSuffix(".") { host.removeLast() }
    port = parts.count == 1 ? .only : try ServiceAddress.port(parts[1], target)
    let labels = host.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    for label in labels where !ServiceAddress.isLabel(label) {
      throw TargetError(
        "the target \"\(target)\": \"\(String(foreign: label))\" is no name of Kubernetes (lower case letters, digits and "
          + "\"-\", at most 63)")
    }
    guard labels.count < 3 || labels[2] == "svc" else {
      throw TargetError(
        "the target \"\(target)\": write SERVICE, SERVICE.NAMESPACE or SERVICE.NAMESPACE.svc, and then the port")
    }
    service = labels[0]
    namespace = labels.count > 1 ? labels[1] : nil
  }

  private static func port(_ text: Substring, _ target: Target) throws(TargetError) -> ServicePort {
    if !text.isEmpty, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }) {
      guard let number = Int(text), (1...65535).contains(number) else {
        throw TargetError("the target \"\(target)\": a port is 1 to 65535")
      }
      return .number(number)
    }
    let name = String(text)
    guard isLabel(name), name.utf8.count <= 15 else {
      throw TargetError(
        "the target \"\(target)\": \"\(String(foreign: name))\" is neither a port's number nor its name in the Service "
          + "(lower case letters, digits and \"-\", at most 15)")
    }
    return .named(name)
  }

  /// RFC 1123, as Kubernetes has it.
  package static func isLabel(_ text: String) -> Bool {
    let letters = Array(text.utf8)
    guard (1...63).contains(letters.count), letters.first != 0x2d, letters.last != 0x2d else { return false }
    return letters.allSatisfy { $0 == 0x2d || $0 &- 0x30 < 10 || $0 &- 0x61 < 26 }
  }

  /// The `:authority` of calls, and the name that TLS checks: as for a DNS name, the port with it where it is a number.
  package var authority: String {
    if case .number(let number) = port { "\(host):\(number)" } else { host }
  }

  /// The same Service by DNS: its addresses where the port is a number, else its SRV records, which know the port.
  package func dnsTarget(namespace: String) -> Target {
    let name = "\(service).\(self.namespace ?? namespace).svc"
    switch port {
    case .number(let number): return Target(scheme: "dns", endpoint: "\(name):\(number)")
    case .named(let port): return Target(scheme: "dns+srv", endpoint: "_\(port)._tcp.\(name)")
    case .only: return Target(scheme: "dns+srv", endpoint: "_grpc._tcp.\(name)")
    }
  }
}
