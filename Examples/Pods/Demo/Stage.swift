import Foundation

/// The pods' processes, and the DNS records that lead to them.
struct Stage {
  private let pod: String
  private let hosts: String
  private let dnsPID: Int32
  private let name: String
  private var processes: [Int: Process] = [:]
  private var published: Set<Int> = []

  init(pod: String, hosts: String, dnsPID: Int32, name: String) {
    self.pod = pod
    self.hosts = hosts
    self.dnsPID = dnsPID
    self.name = name
  }

  /// Starts pod `number` on 127.0.1.`number` and returns when it listens.
  mutating func start(_ number: Int) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: pod)
    process.arguments = ["--host", "127.0.1.\(number)", "--name", "pod-\(number)"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    processes[number] = process
    published.insert(number)
    // The first line says that it listens; a pod that dies closes the pipe.
    guard !output.fileHandleForReading.availableData.isEmpty else { throw CocoaError(.executableLoad) }
  }

  /// Takes a pod out of the name; it lives on.
  mutating func withdraw(_ number: Int) { published.remove(number) }

  /// Makes the name lead to the pods that are in it.
  func publish() throws {
    let lines = published.sorted().map { "127.0.1.\($0) \(name)\n" }.joined()
    try lines.write(toFile: hosts, atomically: true, encoding: .utf8)
    kill(dnsPID, SIGHUP)
  }

  /// SIGTERM, and waits for the end.
  mutating func stop(_ number: Int) {
    guard let process = processes.removeValue(forKey: number) else { return }
    process.terminate()
    process.waitUntilExit()
  }

  mutating func stopAll() {
    for number in processes.keys.sorted() { stop(number) }
  }
}
