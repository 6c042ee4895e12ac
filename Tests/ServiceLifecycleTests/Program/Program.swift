import Logging
import ServiceLifecycle
import UnixSignals
import Volery
import VoleryPlatform
import VoleryServiceLifecycle

/// At once, which print does not do into a pipe.
func say(_ text: String) {
  var line = text + "\n"
  line.withUTF8 { _ = write(1, $0.baseAddress, $0.count) }
}

/// A server, run in the way that the first argument says, for the tests of signals: prints how it ends. The second one is
/// where it listens, the third a signal that it gets at that moment.
@main
struct Program {
  static let wait = Method<[UInt8], [UInt8]>(service: "test.Signals", name: "Wait", kind: .unary)

  /// Answers after half a second, cancelled or not.
  struct Waiting: Volery.Service {
    var handlers: [MethodHandler] {
      [
        .unary(Program.wait) { request, _ in
          say("CALLED")
          await Task { try? await Task.sleep(for: .milliseconds(500)) }.value
          return request
        }
      ]
    }
  }

  /// What a user writes who knows of `Server.run` only.
  struct Wrapper: ServiceLifecycle.Service {
    let server: Server
    let address: ListenAddress
    func run() async throws { try await server.run(listeningOn: address) }
  }

  /// Sends the program a signal as soon as its server listens, before anything else can happen.
  final class Early: Observer {
    let signal: Int32
    init(_ signal: Int32) { self.signal = signal }
    func happened(_ event: ServerEvent, to server: ObservedServer) {
      if case .listening = event { kill(getpid(), signal) }
    }
  }

  /// Another service of the group, which takes its time to stop.
  struct Other: ServiceLifecycle.Service {
    let name: String
    func run() async throws {
      try await gracefulShutdown()
      try await Task.sleep(for: .milliseconds(300))
      say("STOPPED \(name)")
    }
  }

  static func main() async {
    let mode = CommandLine.arguments[1]
    let address = ListenAddress.unix(CommandLine.arguments[2])
    var options = ServerOptions()
    options.handlesSignals = !mode.contains("unhandled")
    if CommandLine.arguments.count > 3, let signal = Int32(CommandLine.arguments[3]) {
      options.observers = [Early(signal)]
    }
    let server = Server(services: [Waiting()], options: options)
    let service = server.service(listeningOn: address)
    let wrapper = Wrapper(server: server, address: address)
    do {
      switch mode {
      case "run", "run unhandled": try await server.run(listeningOn: address)
      case "group of run": try await group([wrapper])
      case "group of run, last": try await group([Other(name: "before"), wrapper])
      case "group of service", "group of service unhandled": try await group([service])
      case "group of service, last": try await group([Other(name: "before"), service])
      case "group of service, first": try await group([service, Other(name: "behind")])
      case "cancelled service":
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await service.run() }
          group.addTask {
            for await _ in await UnixSignalsSequence(trapping: .sigterm) { return }
          }
          try await group.next()
          group.cancelAll()
        }
      default: fatalError("unknown mode \(mode)")
      }
      say("ENDED")
    } catch {
      say("FAILED \(error)")
      exit(3)
    }
  }

  static func group(_ services: [any ServiceLifecycle.Service]) async throws {
    var logger = Logger(label: "group")
    logger.logLevel = .critical
    let group = ServiceGroup(services: services, gracefulShutdownSignals: [.sigterm], logger: logger)
    try await group.run()
  }
}
