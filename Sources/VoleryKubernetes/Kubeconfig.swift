import VoleryNameResolution
import VoleryPlatform
import VoleryPrimitives
import VoleryTLSSession
import Yams

/// Reads kubectl's configuration: of several files the first that names a thing counts, and paths in a file are relative to it.
enum Kubeconfig {
  private static let maxBytes = 4 << 20
  private static let maxFiles = 16

  private static func bad(_ what: String) -> KubernetesFailure {
    KubernetesFailure(.configuration, "the kubeconfig: \(what)")
  }

  /// A named entry of a file, and the folder of that file.
  private struct Entry {
    var node: Node
    var folder: String

    func text(_ name: String) -> String? { node[name]?.string.flatMap { ["", "~", "null"].contains($0) ? nil : $0 } }

    func path(_ name: String) -> String? { text(name).map { $0.hasPrefix("/") ? $0 : "\(folder)/\($0)" } }

    /// Inline (base64) before a file.
    func source(_ name: String) throws(KubernetesFailure) -> TLSSource? {
      guard let data = text("\(name)-data") else { return path(name).map { .file($0) } }
      let letters = Array(data.utf8.filter { $0 > 0x20 })
      guard let bytes = letters.withUnsafeBytes({ Base64.decode($0) }) else { throw bad("\(name)-data is not base64") }
      return .bytes(bytes)
    }
  }

  /// Blocks.
  static func server(
    path: String?, context: String?, _ environment: (String) -> String?
  ) throws(KubernetesFailure) -> APIServer {
    let files = try read(path, environment)
    guard let name = context ?? files.lazy.compactMap({ $0.text("current-context") }).first else {
      throw bad("it has no current-context")
    }
    let chosen = try entry("context", name, files)
    guard let clusterName = chosen.text("cluster") else { throw bad("the context \(quoted(name)) has no cluster") }
    let cluster = try entry("cluster", clusterName, files)
    guard let url = cluster.text("server") else { throw bad("the cluster \(quoted(clusterName)) has no server") }
    var server: APIServer
    do throws(TargetError) { server = try APIServer(url: url) } catch { throw bad("\(error)") }
    if cluster.text("proxy-url") != nil { throw bad("proxy-url is not supported") }
    server.serverName = cluster.text("tls-server-name")
    if cluster.node["insecure-skip-tls-verify"]?.bool == true { server.verification = .none }
    if let authority = try cluster.source("certificate-authority") { server.roots = .only(authority) }
    if let namespace = chosen.text("namespace") {
      guard ServiceAddress.isLabel(namespace) else { throw bad("\(quoted(namespace)) is no namespace") }
      server.namespace = namespace
    }
    if let userName = chosen.text("user") { try use(try entry("user", userName, files), userName, &server) }
    return server
  }

  private static func use(_ user: Entry, _ name: String, _ server: inout APIServer) throws(KubernetesFailure) {
    if let token = user.text("token") {
      server.token = .text(token)
    } else if let path = user.path("tokenFile") {
      server.token = .file(path)
    }
    if let certificate = try user.source("client-certificate"), let key = try user.source("client-key") {
      server.identity = TLSKeyPair(certificate: certificate, key: key)
    }
    guard server.token == nil, server.identity == nil else { return }
    for kind in ["exec", "auth-provider", "username"] where user.node[kind] != nil {
      throw bad(
        "the user \(quoted(name)) has \"\(kind)\", which is not supported: use a token (kubectl create token NAME), or "
          + "KubernetesCluster.server(\"http://127.0.0.1:8001\") beside kubectl proxy")
    }
  }

  private static func quoted(_ name: String) -> String { "\"\(String(foreign: name))\"" }

  // MARK: Files

  private static func read(
    _ path: String?, _ environment: (String) -> String?
  ) throws(KubernetesFailure) -> [Entry] {
    var paths = path.map { [$0] } ?? environment("KUBECONFIG")?.split(separator: ":").map(String.init) ?? []
    // Those of the variable need not all be there.
    let mayLack = path == nil && !paths.isEmpty
    if paths.isEmpty { paths = [environment("HOME").map { "\($0)/.kube/config" } ?? ".kube/config"] }
    var entries: [Entry] = []
    for path in paths.prefix(maxFiles) {
      let bytes: [UInt8]
      do throws(SmallFile.Failure) {
        bytes = try SmallFile.content(of: path, limit: maxBytes)
      } catch {
        if mayLack, error == .system(ENOENT) { continue }
        throw bad("\(String(foreign: path)) can't be read: \(error.text)")
      }
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw bad("\(String(foreign: path)) is not UTF-8")
      }
      do {
        guard let node = try compose(yaml: text), node.mapping != nil else {
          throw bad("\(String(foreign: path)) holds no mapping")
        }
        let folder = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
        entries.append(Entry(node: node, folder: folder))
      } catch let error as KubernetesFailure {
        throw error
      } catch {
        // What the parser quotes may be a secret.
        throw bad("\(String(foreign: path)) is not YAML")
      }
    }
    guard !entries.isEmpty else { throw bad("none of the files of KUBECONFIG is there") }
    return entries
  }

  /// The entry of that name in `clusters`, `contexts` or `users`.
  private static func entry(_ kind: String, _ name: String, _ files: [Entry]) throws(KubernetesFailure) -> Entry {
    for file in files {
      for element in file.node["\(kind)s"]?.array() ?? [] where element["name"]?.string == name {
        guard let node = element[kind], node.mapping != nil else { break }
        return Entry(node: node, folder: file.folder)
      }
    }
    throw bad("it has no \(kind) \(quoted(name))")
  }
}
