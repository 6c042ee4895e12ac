import ArgumentParser
import Logging
import Volery
import VoleryPlatform

/// Puts Volery's server or client in the place of another implementation's: gRPC's interoperability tests and three small
/// extensions.
@main
struct Interop: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volery-interop",
    abstract: "Volery's ends of gRPC's interoperability tests.",
    subcommands: [InteropServer.self, InteropClient.self, Probe.self, Load.self, BalancedClient.self])

  static func main() async {
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = .warning
      return handler
    }
    do {
      var command = try parseAsRoot(officialArguments)
      if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
    } catch {
      end(with: error)
    }
  }

  /// gRPC's own programs are given `--use_tls=true`, and `--print_response` alone.
  private static var officialArguments: [String] {
    let given = CommandLine.arguments
    return given.indices.dropFirst().compactMap { index in
      let argument = given[index]
      // A value of its own follows.
      if index + 1 < given.count, ["true", "false"].contains(given[index + 1]) { return argument }
      return switch argument {
      case "--use_tls=true": "--use_tls"
      case "--use_tls=false": nil
      case "--print_response", "--fail_on_failed_rpcs", "--fail_on_failed_rpc", "--secure_mode": "\(argument)=true"
      default: argument
      }
    }
  }

  /// 0 for help, 2 for a wrong command line, the command's own code, 1 for everything else.
  private static func end(with error: any Error) -> Never {
    if let code = error as? ExitCode { VoleryPlatform.exit(code.rawValue) }
    let code = exitCode(for: error)
    if code == .validationFailure { reportUnknownFlag() }
    printLine(fullMessage(for: error))
    VoleryPlatform.exit(code == .success ? 0 : code == .validationFailure ? 2 : 1)
  }

  /// An unknown flag names itself, and the known ones are listed, even where something else is missing too.
  private static func reportUnknownFlag() {
    let arguments = CommandLine.arguments.dropFirst()
    guard let command = configuration.subcommands.first(where: { $0._commandName == arguments.first }) else { return }
    let words = helpMessage(for: command).split { " \n,[]<>".contains($0) }
    let known = Set(words.filter { $0.hasPrefix("--") }.map(String.init))
    for argument in arguments where argument.hasPrefix("--") {
      let name = String(argument.prefix { $0 != "=" })
      if !known.contains(name) {
        printLine("unknown flag \(name); known are: \(known.sorted().joined(separator: ", "))")
      }
    }
  }
}
