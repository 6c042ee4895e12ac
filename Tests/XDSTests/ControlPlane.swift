import Foundation
import Synchronization
import TestSupport

/// The control plane of control_plane.py, as a process of its own.
final class ControlPlane: Sendable {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
  static let python: String = {
    let (output, _) = (try? ChildProcess.run(["bash", "\(folder)/environment.sh"])) ?? ("", 1)
    return output.trimmingCharacters(in: .whitespacesAndNewlines)
  }()

  private let process: ChildProcess
  private let commands: FileHandle
  private let said = Mutex("")

  init() throws {
    let pipe = NSTemporaryDirectory() + "/xds-\(UUID().uuidString)"
    guard mkfifo(pipe, 0o600) == 0 else { throw NeverHappened("a named pipe at \(pipe)") }
    defer { unlink(pipe) }
    // Both ends are open from the start, so that neither waits for the other to open its own.
    let descriptor = open(pipe, O_RDWR | O_CLOEXEC)
    commands = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let started = try ChildProcess([Self.python, "\(Self.folder)/control_plane.py", pipe])
    process = started
    // The pipe's name has to be there until the process has opened it: the answer to a command says so.
    try commands.write(contentsOf: Data("{\"set\": \"listener\", \"resources\": []}\n".utf8))
    while !said.withLock({ $0.contains("SET listener\n") }) {
      let more = started.read()
      guard !more.isEmpty else { throw NeverHappened("the control plane's start; it said: \(said.withLock { $0 })") }
      said.withLock { $0 += more }
    }
    Thread.detachNewThread { [weak self] in
      while true {
        let more = started.read()
        guard !more.isEmpty, let self else { return }
        self.said.withLock { $0 += more }
      }
    }
  }

  /// The whole set of a type, in protobuf's JSON.
  func set(_ type: String, _ resources: String...) throws {
    let line = "{\"set\": \"\(type)\", \"resources\": [\(resources.joined(separator: ","))]}"
    try commands.write(contentsOf: Data((line.replacingOccurrences(of: "\n", with: " ") + "\n").utf8))
  }

  /// Listens; returns the port.
  func start(port: Int = 0) async throws -> Int {
    try commands.write(contentsOf: Data("{\"start\": \(port)}\n".utf8))
    try await eventually("the control plane listens") { self.output.contains("LISTENING ") }
    let text = output
    let rest = text[text.range(of: "LISTENING ")!.upperBound...]
    return Int(rest.prefix { $0.isNumber }) ?? 0
  }

  /// What it has printed until now.
  var output: String { said.withLock { $0 } }

  func kill() { _ = process.stop(SIGKILL) }

  /// How often each server has answered grpcio's own xDS client.
  static func grpcio(_ target: String, port: Int, calls: Int) async throws -> [String: Int] {
    let bootstrap = bootstrap(port: port)
    let output = try await blocking {
      try ChildProcess.run([
        "env", "GRPC_XDS_BOOTSTRAP_CONFIG=\(bootstrap)", python, "\(folder)/control_plane.py", "--client", target,
        Backend.path, "\(calls)",
      ]).output
    }
    return try JSONDecoder().decode([String: Int].self, from: Data(output.utf8))
  }

  /// What a process says of its resources (CSDS), in protobuf's JSON with the names of the .proto files.
  static func status(port: Int) async throws -> String {
    try await blocking {
      try ChildProcess.run([python, "\(folder)/control_plane.py", "--status", "127.0.0.1:\(port)"]).output
    }
  }

  static func bootstrap(port: Int) -> String {
    """
    {"xds_servers": [{"server_uri": "127.0.0.1:\(port)", "channel_creds": [{"type": "insecure"}],
      "server_features": ["xds_v3"]}], "node": {"id": "test"}}
    """
  }
}
