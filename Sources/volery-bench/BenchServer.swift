import ArgumentParser
import Volery

struct BenchServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "server", abstract: "Serves until SIGTERM.")

  @Argument var port: Int
  @OptionGroup var seams: BenchSeams
  @Option(help: "Where to listen.") var host = "127.0.0.1"
  @Option(help: "Event loops; one for each core by default.") var loops: Int?
  @Option(help: "A PEM file; with --key: TLS.") var certificate: String?
  @Option(help: "A PEM file.") var key: String?

  func run() async throws {
    try seams.applyToProcess()
    var options = ServerOptions()
    options.eventLoops = loops
    options.maxRequestMessageBytes = 16 << 20
    options.interceptors = try seams.serverInterceptors()
    options.observers = seams.allObservers
    var credentials = ServerCredentials.plaintext
    if let certificate, let key { credentials = .tls(certificate: .file(certificate), key: .file(key)) }
    let server = Server(services: [BenchmarkServer()], credentials: credentials, options: options)
    try await server.run(listeningOn: .tcp(host, port))
  }
}

struct BenchmarkServer: BenchmarkService {
  func unary(_ request: Echo, context: ServerContext) async throws -> Echo { request }

  func download(_ request: StreamRequest, responses: ResponseWriter<Echo>, context: ServerContext) async throws {
    let echo = Echo(payload: [UInt8](repeating: 0, count: Int(request.size)))
    for _ in 0..<request.count { try await responses.write(echo) }
  }

  func pingPong(_ requests: RequestStream<Echo>, responses: ResponseWriter<Echo>, context: ServerContext) async throws {
    for try await message in requests { try await responses.write(message) }
  }
}
