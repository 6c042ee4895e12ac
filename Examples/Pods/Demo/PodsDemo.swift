import ArgumentParser

/// The three ways of gRPC in Kubernetes, played with processes. Each ends with 0 only if everything that it promises was kept.
@main
struct PodsDemo: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pods-demo", subcommands: [OneAddress.self, Headless.self, ThroughProxies.self],
    defaultSubcommand: Headless.self)
}
