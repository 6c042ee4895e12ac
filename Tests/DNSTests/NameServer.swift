import Foundation
import TestSupport

/// A real dnsmasq on a port of its own, which knows what its hosts file and its configuration say.
final class NameServer {
  let port = Int.random(in: 20_000..<30_000)
  private let process: ChildProcess
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("volery-dns-\(UUID().uuidString)")
  private let hosts: URL

  /// - Parameter configuration: Lines as in dnsmasq.conf.
  init(configuration: [String] = []) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
    hosts = folder.appendingPathComponent("hosts")
    try "".write(to: hosts, atomically: false, encoding: .utf8)
    let file = folder.appendingPathComponent("dnsmasq.conf")
    try configuration.map { $0 + "\n" }.joined().write(to: file, atomically: false, encoding: .utf8)
    process = try ChildProcess([
      "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--conf-file=\(file.path)", "--listen-address=127.0.0.1",
      "--bind-interfaces", "--local=/test/", "--port=\(port)", "--addn-hosts=\(hosts.path)", "--pid-file=",
      "--user=root",
    ])
    try waitUntilListening()
  }

  /// A signal before the server has its handlers would end it.
  private func waitUntilListening() throws {
    let needle = ":" + String(port, radix: 16, uppercase: true)
    for _ in 0..<500 {
      if try systemFile("/proc/net/udp").contains(needle) { return }
      usleep(10_000)
    }
    throw NeverHappened("within 5 s: dnsmasq listens on port \(port)")
  }

  func set(_ lines: [String]) throws {
    try lines.map { $0 + "\n" }.joined().write(to: hosts, atomically: false, encoding: .utf8)
    process.signal(SIGHUP)
  }

  /// It answers nobody any more.
  func freeze() { process.signal(SIGSTOP) }

  func thaw() { process.signal(SIGCONT) }

  deinit {
    _ = process.stop(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }
}
