import ArgumentParser
import Logging
import PodsShared
import Volery

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One pod: answers with its own name. SIGTERM drains it, as Kubernetes does.
@main
struct Pod: AsyncParsableCommand {
  @Option(help: "The address to listen on.") var host = "127.0.0.1"
  @Option(help: "The port to listen on.") var port = 50051
  @Option(help: "What the pod answers with.") var name = "pod"
  @Option(help: "Milliseconds before each answer.") var delay = 0
  @Option(help: "The share of calls that fail, 0 to 1.") var failureRate = 0.0

  func run() async throws {
    var options = ServerOptions()
    // The demo says what its pods do; they come and go too often to say it themselves.
    options.logger.logLevel = .notice
    let server = Server(
      services: [NamingService(name: name, delay: .milliseconds(delay), failureRate: failureRate), Health()],
      options: options)
    try await server.run(listeningOn: .tcp(host, port)) { writeLine("LISTENING \($0[0])") }
  }
}

struct NamingService: PodsService {
  let name: String
  let delay: Duration
  let failureRate: Double

  func who(_ request: Question, context: ServerContext) async throws -> Answer {
    if delay > .zero { try await Task.sleep(for: delay) }
    if Double.random(in: 0..<1) < failureRate { throw StatusError(.internal, "\(name) fails on purpose") }
    return Answer(pod: name, number: 1)
  }

  func fail(_ request: Question, context: ServerContext) async throws -> Answer {
    throw StatusError(.failedPrecondition, "\(name) fails, as it was asked to")
  }

  func count(_ request: Question, responses: ResponseWriter<Answer>, context: ServerContext) async throws {
    for number in 1...10 {
      if number > 1 { try await Task.sleep(for: .milliseconds(100)) }
      try await responses.write(Answer(pod: name, number: Int32(number)))
    }
  }
}
