import ArgumentParser
import Logging
import Volery
import VoleryPlatform
import VoleryProxy

/// Forwards any gRPC call to the servers behind a target.
@main
struct Program: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-proxy",
    abstract: "Forwards any gRPC call, without its .proto, to the servers behind a target.",
    discussion:
      "SIGTERM and SIGINT let the calls that run end, and then end the program with 0. A wrong option exits with 2.")

  @Option(help: "Listen on ADDR:PORT or unix:/path; may be given often. 0.0.0.0:8080.") var listen: [String] = []
  @Option(help: "Where calls go, as a channel's target: dns:///orders:50051.") var target: String
  @Option(help: "What is added to x-proxied-by. volery-proxy.") var name: String?
  @Option(help: "Event loops; one for each core, which is the most.") var loops: Int?
  @Option(name: .customLong("max-hops"), help: "Calls that have come through so many proxies are refused.") var maxHops:
    Int?
  @Option(help: "The :authority that servers get: client or target.") var authority: Authority?
  @Option(name: .customLong("access-log"), help: "Lines for calls, on standard error: none, compact or full.")
  var accessLog = AccessLogForm.none
  @OptionGroup(title: "TLS") var tls: TLSFlags

  enum Authority: String, ExpressibleByArgument, CaseIterable { case client, target }
  enum AccessLogForm: String, ExpressibleByArgument, CaseIterable { case none, compact, full }

  static func main() async {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
    } catch {
      end(with: error)
    }
  }

  /// 0 for help, 2 for what the command line says wrong, 1 for everything else.
  private static func end(with error: any Error) -> Never {
    let code = exitCode(for: error)
    let isWrong = code == .validationFailure || error is TargetError
    let text = if let error = error as? TargetError { "Error: \(error)" } else { fullMessage(for: error) }
    printLine(text, on: code == .success ? 1 : 2)
    VoleryPlatform.exit(code == .success ? 0 : isWrong ? 2 : 1)
  }

  func validate() throws {
    try tls.check()
    if let loops, loops < 1 { throw ValidationError("--loops \(loops) is not 1 or more") }
    if let maxHops, maxHops < 1 { throw ValidationError("--max-hops \(maxHops) is not 1 or more") }
    _ = try addresses()
  }

  func run() async throws {
    let proxy = try Proxy(to: target, services: [Health()], options: options)
    for address in try proxy.start(listeningOn: addresses()) { printLine("LISTENING \(address)") }
    await proxy.waitUntilStopped()
  }

  private var options: ProxyOptions {
    var options = ProxyOptions()
    if let name { options.name = name }
    if let maxHops { options.maxHops = maxHops }
    options.eventLoops = loops
    options.keepsAuthority = authority.map { $0 == .client }
    options.serverCredentials = tls.server
    options.channelCredentials = tls.channel
    let logger = Logger(label: "volery.proxy")
    switch accessLog {
    case .none: break
    case .compact: options.accessLog = .compact(logger)
    case .full: options.accessLog = .full(logger)
    }
    return options
  }

  private func addresses() throws -> [ListenAddress] {
    try (listen.isEmpty ? ["0.0.0.0:8080"] : listen).map { text in
      if text.hasPrefix("unix:") { return .unix(String(text.dropFirst("unix:".count))) }
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65535).contains(port)
      else { throw ValidationError("--listen \(text) is neither ADDR:PORT nor unix:/path") }
      return .tcp(text[..<colon].filter { $0 != "[" && $0 != "]" }, port)
    }
  }
}
