import ArgumentParser
import Volery

/// What probe and load say about their channel: nothing, unless a flag was given.
struct ChannelFlags: ParsableArguments {
  @Option(name: .customLong("target")) var target: String
  @Option(name: .customLong("timeout_ms")) var timeout = 8000
  @Option(name: .customLong("service_config")) var serviceConfig: String?
  @Option(name: .customLong("service_config_json")) var serviceConfigJSON: String?
  @Flag(name: .customLong("wait_for_ready")) var waitForReady = false
  @Option(name: .customLong("lb"), help: "The load balancing policy.") var policy: String?

  /// Not inlined: the 6.3 compiler crashes where an async function gets it inlined.
  @inline(never)
  @OptionGroup var tls: TLSFlags
  @Option(name: .customLong("server_name"), help: "The name that the server's certificate has to be for.")
  var serverName: String?

  func channel(_ adjust: (inout ChannelOptions) -> Void = { _ in }) throws -> Channel {
    var options = ChannelOptions()
    options.maxResponseMessageBytes = 64 << 20
    if let policy { options.loadBalancingPolicy = policy }
    if let json = serviceConfig ?? serviceConfigJSON { options.serviceConfig = try ServiceConfig(json: json) }
    adjust(&options)
    do {
      let credentials = tls.isWanted ? tls.credentials(serverName: serverName) : .plaintext
      return try Channel(target, credentials: credentials, options: options)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  func callOptions() -> CallOptions {
    var options = CallOptions(timeout: .milliseconds(timeout))
    if waitForReady { options.waitForReady = true }
    return options
  }
}
