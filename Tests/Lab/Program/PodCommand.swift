import ArgumentParser
import Volery

/// One pod. Prints LISTENING and an address for each address; SIGTERM drains it. Standard input changes what it does:
/// `delay MILLISECONDS`, `read-delay MILLISECONDS`, `fail CODE` (0: no more), `health off` or `on`, `counts` (prints
/// `COUNTS calls distinct-keys`).
struct PodCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pod")

  @Option(help: "ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; may be given often.") var bind: [String]
  @Option(help: "What it answers; the address that was called by default.") var name: String?
  @Option(help: "Milliseconds before each answer.") var delay = 10
  @Flag(help: "The time before an answer is exponentially distributed, with --delay as its mean.") var exponential =
    false
  @Option(help: "Status code of every call; 0: none fails.") var fail = 0
  @Option(help: "Maximum age of a connection, in milliseconds.") var age: Int?
  @Option(help: "Calls at once on a connection.") var streams: UInt32?
  @Option(help: "Calls that it works on at once; it reports its load then, with calls and by itself.") var slots: Int?
  @Option(help: "Seconds for draining.") var drainLimit = 25.0

  func run() async throws {
    let health = Health()
    let desk = slots.map { PodDesk(slots: max(1, $0)) }
    let service = LabPod(
      name: name,
      conduct: PodConduct(
        delay: .milliseconds(delay), isExponential: exponential, code: StatusCode(rawValue: fail)), health: health,
      desk: desk)
    var options = ServerOptions()
    options.loadRecorder = desk?.load
    if let age { options.maxConnectionAge = .milliseconds(age) }
    if let streams { options.maxConcurrentStreams = streams }
    options.drainLimit = .seconds(drainLimit)
    var services: [any Service] = [service, LabBytes(), health]
    if let desk { services.append(LoadReporting(desk.load, minInterval: .milliseconds(500))) }
    let server = Server(services: services, options: options)
    let addresses = try bind.map { text in
      if text.hasPrefix("unix:") { return ListenAddress.unix(String(text.dropFirst(5))) }
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else {
        throw ValidationError("--bind \(text) is not ADDRESS:PORT")
      }
      return ListenAddress.tcp(text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
    }
    let measuring = desk.map { desk in Task { await desk.measure() } }
    defer { measuring?.cancel() }
    try await server.run(listeningOn: addresses) { bound in
      for address in bound { writeLine("LISTENING \(address)") }
      followCommands { words in service.perform(words) }
    }
  }
}
