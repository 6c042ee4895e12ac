import VoleryPrimitives
package import VoleryTypes

/// Why the API server could not be asked, or has answered something else. Equal kinds are one state, whose text is said once.
package struct KubernetesFailure: Error, Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    /// No address, no connection, no TLS, no answer in time.
    case unreachable
    /// Token, certificate or kubeconfig can't be read.
    case configuration
    /// 401.
    case unauthorized
    /// 403.
    case forbidden
    /// 404: no such API.
    case unknown
    /// 410: that version is history.
    case gone
    /// 429 or 5xx.
    case overloaded
    /// Any other status.
    case refused
    /// The stream ended in the middle.
    case cut
    /// Not HTTP, not JSON, not an EndpointSlice, too large.
    case malformed
  }

  package var kind: Kind
  /// For people; what is not ours is escaped in it.
  package var text: String
  /// What the server asks for; nil: nothing.
  package var retryAfter: Duration?

  package init(_ kind: Kind, _ text: String, retryAfter: Duration? = nil) {
    self.kind = kind
    self.text = text
    self.retryAfter = retryAfter
  }

  /// What RBAC needs, in words that go into a log line.
  package static let cure =
    "give the pod's ServiceAccount a Role, and a RoleBinding to it, in the Service's namespace with apiGroups: "
    + "[\"discovery.k8s.io\"], resources: [\"endpointslices\"], verbs: [\"get\", \"list\", \"watch\"]"

  /// An answer that is not 200, or the Status in an ERROR event.
  ///
  /// - Parameter body: The text of a Status object, if it is one.
  package init(status: Int, body: JSONValue?, retryAfter: Duration? = nil) {
    var said = ""
    if case .string(let message)? = body?["message"] { said = ": \"\(String(foreign: message, limit: 400))\"" }
    switch status {
    case 401:
      self.init(
        .unauthorized, "the API server does not accept the credentials (401)\(said); tokens are read anew each time")
    case 403:
      self.init(.forbidden, "the API server forbids it (403)\(said); \(KubernetesFailure.cure)")
    case 404:
      self.init(
        .unknown, "the API server has no EndpointSlices (404)\(said); discovery.k8s.io/v1 needs Kubernetes 1.21")
    case 410: self.init(.gone, "the version to watch from is history (410)\(said)")
    case 429, 500...599:
      self.init(.overloaded, "the API server can't answer now (\(status))\(said)", retryAfter: retryAfter)
    default: self.init(.refused, "the API server answers \(status)\(said)")
    }
  }

  package static func malformed(_ what: String) -> KubernetesFailure {
    KubernetesFailure(.malformed, "the API server's answer can't be used: \(what)")
  }
}
