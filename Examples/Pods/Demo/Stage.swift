import Foundation

/// The demo's processes, and the records that lead to them.
struct Stage {
  private let options: StageOptions
  /// Whether the name of the pods leads to one address in front of them, as that of a Service with a cluster IP.
  private let hasClusterIP: Bool
  private var processes: [Place: Process] = [:]
  private var published: Set<Place> = []

  init(_ options: StageOptions, hasClusterIP: Bool = false) {
    self.options = options
    self.hasClusterIP = hasClusterIP
  }

  /// Starts a process, and returns when it listens.
  mutating func start(_ place: Place) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program(place.kind))
    process.arguments = arguments(place)
    let output = Pipe()
    process.standardOutput = output
    // What proxies say of their coming and going would stand between the tables.
    if place.kind == .proxy { process.standardError = FileHandle.nullDevice }
    try process.run()
    processes[place] = process
    if place.kind != .front { published.insert(place) }
    // The first line says that it listens; a process that dies closes the pipe.
    guard !output.fileHandleForReading.availableData.isEmpty else { throw CocoaError(.executableLoad) }
  }

  /// Takes a process out of its name; it lives on.
  mutating func withdraw(_ place: Place) { published.remove(place) }

  /// Makes the names lead to the processes that are in them.
  func publish() throws {
    let pods = published.filter { $0.kind == .pod }
    if hasClusterIP { try write(pods.map(\.host), to: "endpoints") }
    let places = hasClusterIP ? published.subtracting(pods) : published
    try write(places.sorted().map { "\($0.host) \($0.kind.name)" }, to: "hosts")
    kill(options.dnsPID, SIGHUP)
  }

  /// Waits until the DNS server has read the file that `publish` wrote, 10 seconds at the most.
  func waitUntilKnown(_ kind: Place.Kind) async throws {
    for _ in 0..<100 {
      var found: UnsafeMutablePointer<addrinfo>?
      if getaddrinfo(kind.name, nil, nil, &found) == 0 {
        freeaddrinfo(found)
        return
      }
      try await Task.sleep(for: .milliseconds(100))
    }
    throw CocoaError(.fileReadUnknown)
  }

  /// HTTP in front of the pods, if the demo has it: one more client.
  mutating func startFront() throws {
    if options.front != nil { try start(.front) }
  }

  /// What the front has counted, by `GET /calls.json`; nil without one.
  func frontReport() throws -> FrontReport? {
    guard processes[.front] != nil else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "curl", "-sSf", "--max-time", "10", "--unix-socket", options.folder + "/front.socket", "http://front/calls.json",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let answer = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try JSONDecoder().decode(FrontReport.self, from: answer)
  }

  /// SIGTERM, and waits for the end.
  mutating func stop(_ place: Place) {
    guard let process = processes.removeValue(forKey: place) else { return }
    process.terminate()
    process.waitUntilExit()
  }

  /// Those that call go first.
  mutating func stopAll() {
    for place in processes.keys.sorted(by: >) { stop(place) }
  }

  private func program(_ kind: Place.Kind) -> String {
    switch kind {
    case .pod: options.pod
    case .proxy: options.proxy
    case .clusterIP: options.clusterIP
    case .front: options.front ?? ""
    }
  }

  private func arguments(_ place: Place) -> [String] {
    switch place.kind {
    case .pod: ["--host", place.host, "--name", "\(place)"]
    case .proxy:
      ["--listen", place.address, "--target", "dns:///\(Place.Kind.pod.name):\(Place.Kind.pod.port)", "--loops", "1"]
    case .clusterIP: [place.host, "\(place.kind.port)", options.folder + "/endpoints"]
    case .front: [frontTarget, "--socket", options.folder + "/front.socket", "--rate", "50"]
    }
  }

  /// Through the proxies where there are some.
  private var frontTarget: String {
    let kind: Place.Kind = published.contains { $0.kind == .proxy } ? .proxy : .pod
    return "dns:///\(kind.name):\(kind.port)"
  }

  private func write(_ lines: [String], to file: String) throws {
    try lines.map { $0 + "\n" }.joined().write(
      toFile: options.folder + "/" + file, atomically: true, encoding: .utf8)
  }
}
