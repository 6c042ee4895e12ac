public import VoleryNameResolution
import VoleryPlatform
public import VoleryTLSSession

/// Where the API server is, and who asks it. Files are read anew for each request, so that what rotates is used: a pod's token
/// and CA are replaced every hour or so.
public struct KubernetesCluster: Hashable, Sendable {
  enum Place: Hashable, Sendable {
    case automatic
    case inCluster(folder: String)
    case kubeconfig(path: String?, context: String?)
    case server(APIServer)
  }

  let place: Place

  /// That of this pod, where there is one (`KUBERNETES_SERVICE_HOST`), else that of the kubeconfig.
  public static let automatic = KubernetesCluster(place: .automatic)

  /// That of this pod: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, with the files `token`, `ca.crt` and
  /// `namespace` of its ServiceAccount.
  ///
  /// - Parameter folder: Where these files are.
  public static func inCluster(
    folder: String = "/var/run/secrets/kubernetes.io/serviceaccount"
  ) -> KubernetesCluster { KubernetesCluster(place: .inCluster(folder: folder)) }

  /// That of a kubeconfig: its server, CA, client certificate or token, and namespace. Users that need another program (`exec`)
  /// are an error that says what to do instead.
  ///
  /// - Parameters:
  ///   - path: Nil: as kubectl has it, the files of `KUBECONFIG`, or `~/.kube/config`.
  ///   - context: Nil: the current one.
  public static func kubeconfig(path: String? = nil, context: String? = nil) -> KubernetesCluster {
    KubernetesCluster(place: .kubeconfig(path: path, context: context))
  }

  /// A server by its URL: `http://127.0.0.1:8001`, which is `kubectl proxy`, or `https://10.0.0.1:6443`.
  ///
  /// - Parameters:
  ///   - url: Scheme, host, port and, where there is one, the path in front of `/apis`.
  ///   - tokenFile: Its content goes with each request; nil: none.
  ///   - roots: Who may have signed the server's certificate.
  ///   - identity: A client certificate; nil: none.
  ///   - namespace: For targets without one. `default`.
  /// - Throws: `TargetError` for a text that is no such URL.
  public static func server(
    _ url: String, tokenFile: String? = nil, roots: TLSRoots = .system, identity: TLSKeyPair? = nil,
    namespace: String = "default"
  ) throws(TargetError) -> KubernetesCluster {
    var server = try APIServer(url: url)
    server.token = tokenFile.map { .file($0) }
    server.roots = roots
    server.identity = identity
    server.namespace = namespace
    return KubernetesCluster(place: .server(server))
  }

  /// Reads what has to be read. Blocks.
  package func locate(
    _ environment: (String) -> String? = KubernetesCluster.variable
  ) throws(KubernetesFailure) -> APIServer {
    switch place {
    case .server(let server): return server
    case .kubeconfig(let path, let context): return try Kubeconfig.server(path: path, context: context, environment)
    case .inCluster(let folder): return try KubernetesCluster.pod(folder, environment)
    case .automatic:
      guard environment("KUBERNETES_SERVICE_HOST") != nil else {
        return try Kubeconfig.server(path: nil, context: nil, environment)
      }
      return try KubernetesCluster.pod("/var/run/secrets/kubernetes.io/serviceaccount", environment)
    }
  }

  package static func variable(_ name: String) -> String? {
    environmentVariable(name).flatMap { $0.isEmpty ? nil : $0 }
  }

  private static func pod(
    _ folder: String, _ environment: (String) -> String?
  ) throws(KubernetesFailure) -> APIServer {
    guard let host = environment("KUBERNETES_SERVICE_HOST") else {
      throw KubernetesFailure(.configuration, "this is no pod of a cluster: KUBERNETES_SERVICE_HOST is not set")
    }
    let portText = environment("KUBERNETES_SERVICE_PORT") ?? "443"
    guard let port = Int(portText), (1...65535).contains(port) else {
      throw KubernetesFailure(.configuration, "KUBERNETES_SERVICE_PORT is no port")
    }
    var server = APIServer(host: host, port: port, isSecure: true)
    server.roots = .file("\(folder)/ca.crt")
    server.token = .file("\(folder)/token")
    let content = try? SmallFile.content(of: "\(folder)/namespace", limit: 4096)
    let namespace = content.map { String(decoding: $0, as: UTF8.self) }?.split { $0.isWhitespace }.first.map(
      String.init)
    server.namespace = namespace.flatMap { ServiceAddress.isLabel($0) ? $0 : nil } ?? "default"
    return server
  }
}
