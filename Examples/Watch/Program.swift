import Volery

/// Prints who is behind a target, and then each change, until it is interrupted:
///
///     watch dns:///orders:50051 [--interval SECONDS]
///     watch dns+srv:///_grpc._tcp.orders
///     watch file:///etc/orders/endpoints.json
@main
struct Program {
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    guard let target = arguments.first, arguments.count == 1 || arguments.count == 3 else {
      return print("usage: watch TARGET [--interval SECONDS]")
    }
    var resolvers = ResolverRegistry.standard
    if arguments.dropFirst().first == "--interval", let seconds = arguments.last.flatMap(Double.init), seconds > 0 {
      resolvers.register(DNSResolverFactory(refreshInterval: .seconds(seconds)))
      resolvers.register(DNSServiceResolverFactory(refreshInterval: .seconds(seconds)))
    }
    do {
      var printer = ChangePrinter()
      for await found in try Resolution.updates(of: target, resolvers: resolvers) { printer.show(found) }
    } catch {
      print("\(error)")
    }
  }
}

/// Prints what is new since the last time, a line each.
struct ChangePrinter {
  private let start = ContinuousClock.now
  private var known: Set<Endpoint> = []
  private var config: ServiceConfig?
  private var lastSource = ""

  mutating func show(_ found: ResolutionUpdates.Element) {
    for endpoint in found.endpoints where !known.contains(endpoint) { line("+ \(endpoint)\(details(endpoint))") }
    for endpoint in known.subtracting(found.endpoints).sorted(by: { "\($0)" < "\($1)" }) { line("- \(endpoint)") }
    known = Set(found.endpoints)
    if found.source != lastSource { line("  \(found.source)") }
    lastSource = found.source
    if found.serviceConfig != config { line(found.serviceConfig == nil ? "  no service config" : "  a service config") }
    config = found.serviceConfig
    if let error = found.serviceConfigError { line("! \(error)") }
    if let failure = found.failure {
      let age = found.age.map { "; the answer of \($0.components.seconds) s ago holds" } ?? ""
      line("! \(failure.message)\(age)")
    }
  }

  private func details(_ endpoint: Endpoint) -> String {
    var details = ""
    if let weight = endpoint.attributes.weight { details += " weight \(weight)" }
    if let priority = endpoint.attributes.priority { details += " priority \(priority)" }
    if let zone = endpoint.attributes.zone { details += " zone \(zone)" }
    return details
  }

  private func line(_ text: String) {
    let (seconds, attoseconds) = start.duration(to: .now).components
    let tenths = "\(seconds).\(attoseconds / 100_000_000_000_000_000)"
    // The pipe of whoever reads along must not wait for a full buffer.
    writeLine(String(repeating: " ", count: max(0, 7 - tenths.count)) + tenths + " s  " + text)
  }
}
