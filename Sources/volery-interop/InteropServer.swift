import ArgumentParser
import Volery
import VoleryPlatform
import VoleryReflection

struct InteropServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server", abstract: "Serves grpc.testing.TestService; SIGTERM drains and exits with 0.")

  @Option(name: .customLong("port"), help: "Listen on every address with this port.") var port: Int?
  @Option(name: .customLong("bind"), help: "Listen on ADDR:PORT; may be given often.") var bind: [String] = []
  @Option(name: .customLong("server_id"), help: "The answer to fill_server_id; host-pid by default.") var serverID:
    String?
  @Option(
    name: .customLong("hostname"),
    help:
      "What it says of itself in responses and, as hostname, in initial metadata; by default the machine's, in responses."
  )
  var name: String?
  @Option(name: .customLong("max_connection_age_ms")) var maxConnectionAge: Int?
  @Option(name: .customLong("max_concurrent_streams")) var maxConcurrentStreams: UInt32?
  @Flag(name: .customLong("use_tls"), help: "Needs --cert and --key.") var usesTLS = false
  @Option(name: .customLong("cert"), help: "The server's certificate, PEM or DER.") var certificate: String?
  @Option(name: .customLong("key"), help: "Its private key.") var key: String?
  @Option(name: .customLong("client_ca"), help: "Mutual TLS: who may have signed clients' certificates.") var clientCA:
    String?
  @Option(name: .customLong("load"), help: "CPU,QPS: what it reports of its load, with calls and by itself.") var load:
    String?
  @Option(name: .customLong("address_type"), help: "Ignored; every address is listened on.") var addressType: String?

  func validate() throws {
    guard port != nil || !bind.isEmpty else { throw ValidationError("--port or --bind is needed") }
    guard usesTLS == (certificate != nil), usesTLS == (key != nil), usesTLS || clientCA == nil else {
      throw ValidationError("--use_tls, --cert and --key belong together, --client_ca is for TLS")
    }
    for address in bind where HostPort(address) == nil {
      throw ValidationError("--bind \(address) is not ADDR:PORT")
    }
  }

  func run() async throws {
    var options = ServerOptions()
    options.maxConnectionAge = maxConnectionAge.map { .milliseconds($0) }
    if let maxConcurrentStreams { options.maxConcurrentStreams = maxConcurrentStreams }
    // What calls report is what their requests want, and nothing of what other calls have had the server say by itself.
    options.loadRecorder = LoadRecorder(loadReport)
    let service = TestServer(id: serverID ?? "\(hostName())-\(getpid())", name: name, load: LoadRecorder(loadReport))
    let reporting = LoadReporting(service.load, minInterval: load == nil ? .seconds(1) : .milliseconds(100))
    let server = Server(
      services: [service, Health(), Reflection(), reporting], credentials: credentials, options: options)
    var addresses = bind.compactMap { HostPort($0) }.map { ListenAddress.tcp($0.host, $0.port) }
    if let port { addresses.append(.tcp("::", port)) }
    try await server.run(listeningOn: addresses) { for address in $0 { printLine("LISTENING \(address)") } }
  }
}

extension InteropServer {
  private var loadReport: LoadReport {
    var report = LoadReport()
    let numbers = (load ?? "").split(separator: ",").compactMap { Double($0) }
    if numbers.count == 2 { (report.cpuUtilization, report.queriesPerSecond) = (numbers[0], numbers[1]) }
    return report
  }

  private var credentials: ServerCredentials {
    guard usesTLS, let certificate, let key else { return .plaintext }
    return .tls(
      certificate: .file(certificate), key: .file(key), clients: clientCA.map { .required(.file($0)) } ?? .notAsked)
  }
}

/// `host:port` or `[v6]:port`.
struct HostPort {
  let host: String
  let port: Int

  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
    self.port = port
    host = text[..<colon].filter { $0 != "[" && $0 != "]" }
    guard !host.isEmpty else { return nil }
  }
}

func hostName() -> String {
  var buffer = [CChar](repeating: 0, count: 256)
  gethostname(&buffer, 255)
  return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
