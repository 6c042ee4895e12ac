import Foundation
import TestSupport
import Testing
import Volery
import VoleryKubernetes
import VoleryNameResolution

@Suite("Which API server, and as whom") struct ClusterTests {
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("volery-kube-\(UUID().uuidString)").path
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func write(_ text: String, to name: String) throws -> String {
      try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
      return "\(path)/\(name)"
    }
  }

  private static let config = """
    apiVersion: v1
    kind: Config
    current-context: laptop
    clusters:
    - name: kind
      cluster: {server: "https://127.0.0.1:6443/base", certificate-authority-data: "Y2VydA==", tls-server-name: kind.local}
    - name: proxy
      cluster: {server: "http://[::1]:8001"}
    - name: odd
      cluster: {server: "ftp://x"}
    users:
    - name: me
      user: {token: secret-token}
    - name: filed
      user: {tokenFile: my-token, client-certificate: c.crt, client-key: /abs/c.key}
    - name: cloud
      user: {exec: {command: aws}}
    contexts:
    - name: laptop
      context: {cluster: kind, user: me, namespace: shop}
    - name: files
      context: {cluster: proxy, user: filed}
    - name: cloud
      context: {cluster: kind, user: cloud}
    - name: odd
      context: {cluster: odd}
    - name: lost
      context: {cluster: nowhere}
    """

  @Test("a kubeconfig: server, CA, token or certificate, namespace; paths are relative to it") func kubeconfig() throws
  {
    let folder = try Folder()
    let path = try folder.write(Self.config, to: "config")
    let server = try KubernetesCluster.kubeconfig(path: path).locate { _ in nil }
    #expect("\(server)" == "https://127.0.0.1:6443")
    #expect(server.path == "/base" && server.serverName == "kind.local" && server.namespace == "shop")
    #expect(server.token == .text("secret-token") && server.roots == .only(.bytes(Array("cert".utf8))))
    #expect(try server.head(of: "/apis/x").hasPrefix("GET /base/apis/x HTTP/1.1\r\nHost: 127.0.0.1:6443\r\n"))
    #expect(try server.head(of: "/apis/x").contains("\r\nAuthorization: Bearer secret-token\r\n"))
    let filed = try KubernetesCluster.kubeconfig(path: path, context: "files").locate { _ in nil }
    #expect("\(filed)" == "http://[::1]:8001" && filed.namespace == "default")
    #expect(filed.token == .file("\(folder.path)/my-token"))
    #expect(filed.identity == TLSKeyPair(certificate: .file("\(folder.path)/c.crt"), key: .file("/abs/c.key")))
  }

  @Test("KUBECONFIG may name several, of which the first that knows a thing counts; else it is in HOME") func several()
    throws
  {
    let folder = try Folder()
    let first = try folder.write("current-context: files\nusers: [{name: me, user: {token: other}}]", to: "first")
    let second = try folder.write(Self.config, to: "second")
    let server = try KubernetesCluster.automatic.locate { $0 == "KUBECONFIG" ? "\(first):/no/such:\(second)" : nil }
    #expect("\(server)" == "http://[::1]:8001")
    let laptop = try KubernetesCluster.kubeconfig(context: "laptop").locate {
      $0 == "KUBECONFIG" ? "\(first):\(second)" : nil
    }
    #expect(laptop.token == .text("other"))
    try FileManager.default.createDirectory(atPath: "\(folder.path)/.kube", withIntermediateDirectories: true)
    _ = try folder.write(Self.config, to: ".kube/config")
    #expect(try KubernetesCluster.automatic.locate { $0 == "HOME" ? folder.path : nil }.namespace == "shop")
  }

  @Test(
    "what is wrong with a kubeconfig is said, without its secrets",
    arguments: [
      ("cloud", "kubectl create token"), ("odd", "no URL"), ("lost", "no cluster \"nowhere\""), ("none", "no context"),
    ]) func wrong(_ context: String, _ text: String) throws
  {
    let folder = try Folder()
    let path = try folder.write(Self.config, to: "config")
    let error = #expect(throws: KubernetesFailure.self) {
      try KubernetesCluster.kubeconfig(path: path, context: context).locate { _ in nil }
    }
    #expect(error?.text.contains(text) == true, "\(error?.text ?? "")")
    #expect(error?.text.contains("secret-token") == false)
  }

  @Test(
    "a file that is no kubeconfig", arguments: ["a: [secret", "- 1", "", "a: &x [*x]", "\u{0}", "current-context: x"])
  func nonsense(_ text: String) throws {
    let folder = try Folder()
    let path = try folder.write(text, to: "config")
    let error = #expect(throws: KubernetesFailure.self) {
      try KubernetesCluster.kubeconfig(path: path).locate { _ in nil }
    }
    #expect(error?.kind == .configuration && error?.text.contains("secret") == false)
  }

  @Test("a pod: the variables, and the files of its ServiceAccount, the token read anew each time") func pod() throws {
    let folder = try Folder()
    _ = try folder.write("shop\n", to: "namespace")
    _ = try folder.write("one\n", to: "token")
    let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"]
    let server = try KubernetesCluster.inCluster(folder: folder.path).locate { environment[$0] }
    #expect("\(server)" == "https://[fd00::1]:6443" && server.namespace == "shop")
    #expect(server.roots == .file("\(folder.path)/ca.crt"))
    #expect(try server.head(of: "/").contains("Bearer one\r\n"))
    _ = try folder.write("two", to: "token")
    #expect(try server.head(of: "/").contains("Bearer two\r\n"))
    for bad in ["", "a\u{1}b", "a\u{e9}"] {
      _ = try folder.write(bad, to: "token")
      #expect(throws: KubernetesFailure.self) { try server.head(of: "/") }
    }
    #expect(throws: KubernetesFailure.self) { try KubernetesCluster.inCluster(folder: folder.path).locate { _ in nil } }
    #expect(throws: KubernetesFailure.self) {
      try KubernetesCluster.inCluster().locate { $0 == "KUBERNETES_SERVICE_PORT" ? "x" : "10.0.0.1" }
    }
  }

  @Test(
    "a URL of an API server",
    arguments: ["", "127.0.0.1:80", "https//x", "https://", "https://a b", "https://u:p@x", "http://x?y"])
  func badURL(_ url: String) {
    #expect(throws: TargetError.self) { try KubernetesCluster.server(url) }
  }
}
