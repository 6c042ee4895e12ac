import Foundation
import Synchronization
import TestSupport
import Volery
import VoleryKubernetes
import VoleryNameResolution

/// The API server of `api_server.py`, with a folder like that of a pod's ServiceAccount.
final class StandIn: Sendable {
  let port: Int
  private let control: Int
  private let process: ChildProcess
  let folder: String

  /// - Parameter isTLS: With the test certificates; a client certificate of their CA is as good as the token.
  init(isTLS: Bool = false) throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("volery-k8s-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let script = here.appendingPathComponent("../Interop/environment.sh").path
    let python = try ChildProcess.run([script]).output.trimmingCharacters(in: .whitespacesAndNewlines)
    var arguments = [python, here.appendingPathComponent("api_server.py").path, folder]
    if isTLS {
      arguments += ["--tls", TestCertificates.path("server.crt"), TestCertificates.path("server.key")]
      arguments += ["--client-ca", TestCertificates.path("ca.crt")]
    }
    process = try ChildProcess(arguments)
    var said = ""
    while !said.hasSuffix("\n") {
      let more = process.read()
      guard !more.isEmpty else { throw NeverHappened("the stand-in has not started") }
      said += more
    }
    let ports = said.split { $0.isWhitespace }.compactMap { Int($0) }
    guard ports.count == 2 else { throw NeverHappened("the stand-in says \(said)") }
    (port, control) = (ports[0], ports[1])
    try write("first-token", to: "token")
    try write("shop", to: "namespace")
    if isTLS { try FileManager.default.copyItem(atPath: TestCertificates.path("ca.crt"), toPath: "\(folder)/ca.crt") }
  }

  deinit {
    _ = process.stop(SIGKILL)
    try? FileManager.default.removeItem(atPath: folder)
  }

  func write(_ text: String, to name: String) throws {
    try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
  }

  var cluster: KubernetesCluster {
    get throws { try .server("http://127.0.0.1:\(port)", tokenFile: "\(folder)/token", namespace: "shop") }
  }

  /// A command of its `Control`, with the arguments of its query; returns what it answers.
  @discardableResult
  func tell(_ command: String, _ query: [String: String] = [:]) throws -> String {
    var url = URLComponents()
    url.queryItems = query.sorted { $0.key < $1.key }.map { URLQueryItem(name: $0.key, value: $0.value) }
    let text = (url.percentEncodedQuery ?? "").replacingOccurrences(of: "+", with: "%2B")
    let (output, code) = try ChildProcess.run(
      ["curl", "-sS", "-m", "20", "http://127.0.0.1:\(control)/\(command)?\(text)"])
    guard code == 0 else { throw NeverHappened("the stand-in does not do \(command)") }
    return output
  }

  /// Puts a slice, new or changed.
  func put(_ name: String, _ addresses: [String], port: Int = 50051, _ more: [String: String] = [:]) throws {
    try tell(
      "slice", ["name": name, "addresses": addresses.joined(separator: "+"), "port": "\(port)"].merging(more) { $1 })
  }

  struct Request: Decodable {
    var verb: String
    var resourceVersion: String?
    var allowWatchBookmarks: String?
    var labelSelector: String?
    var `continue`: String?
  }

  /// What it was asked, in its order, since `forget`.
  var requests: [Request] {
    get throws { try JSONDecoder().decode([Request].self, from: Data(try tell("requests").utf8)) }
  }

  /// A factory that waits little.
  func factory(_ cluster: KubernetesCluster? = nil) throws -> KubernetesResolverFactory {
    var factory = KubernetesResolverFactory(cluster: try cluster ?? self.cluster)
    factory.backoff.initial = .milliseconds(50)
    factory.backoff.maximum = .milliseconds(200)
    factory.usesDNS = false
    return factory
  }
}

/// A resolver that runs, and what it has published.
final class Heard: Sendable {
  private let updates = Mutex<[ResolverUpdate]>([])
  private let running = Mutex<Task<Void, any Error>?>(nil)

  init(_ factory: some ResolverFactory, _ target: String = "k8s:///orders.shop:grpc") throws {
    let resolver = try factory.makeResolver(for: try Target(parsing: target, knownSchemes: ["k8s"]))
    // Weak in both: a weak capture of the inner closure alone makes the outer one hold it.
    let task = Task { [weak self] in
      try await resolver.run { [weak self] update in
        self?.updates.withLock { $0.append(update) }
        return true
      }
    }
    running.withLock { $0 = task }
  }

  deinit { running.withLock { $0?.cancel() } }

  var all: [ResolverUpdate] { updates.withLock { $0 } }

  var resolutions: [Resolution] {
    all.compactMap { if case .resolved(let resolution) = $0 { resolution } else { nil } }
  }

  var failures: [String] { all.compactMap { if case .failed(let error) = $0 { error.message } else { nil } } }

  /// The addresses of the newest answer, as texts without the port; nil: there is none.
  var hosts: [String]? { resolutions.last?.endpoints.map(Heard.host) }

  static func host(_ endpoint: Endpoint) -> String {
    endpoint.addresses.map { if case .tcp(let host, _) = $0 { host } else { "\($0)" } }.joined(separator: " ")
  }

  func wait(for hosts: [String], within limit: Duration = .seconds(20)) async throws {
    try await eventually("the answer is \(hosts), it is \(self.hosts ?? [])", within: limit) { self.hosts == hosts }
  }

  func wait(forFailure text: String) async throws {
    try await eventually("a failure says \"\(text)\", it is \(failures)") { failures.contains { $0.contains(text) } }
  }
}
