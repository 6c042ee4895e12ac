import ArgumentParser
import Foundation
import Logging
import Volery
import VoleryKubernetes
import VoleryMetrics
import VoleryPrometheus

/// The client under test. Every option of the channel is at its default but those given. Prints READY and DONE; `stop` on
/// standard input ends it early, `config JSON` (with --reconfigurable) is a service config as if the resolver had it.
struct ClientCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "client")

  @Argument var target: String
  @Option(help: "Where the log goes; see CallLog.") var out: String
  @Option(help: "Calls per second, due whether earlier ones have ended or not; 0: none.") var rate = 500.0
  @Option(help: "How long to call.") var seconds = 10.0
  @Option(help: "The number of calls; instead of --seconds.") var calls: Int?
  @Option(help: "call, or read, which may be repeated.") var method = "call"
  @Option(help: "Each so-manieth call is a read, the others are as --method says; 0: none.") var readEach = 0
  @Option(help: "Channels of their own; calls go to one after the other.") var channels = 1
  @Option(help: "Bidirectional streams that are kept open, a message each 100 ms.") var streams = 0
  @Option(help: "Milliseconds after which a stream is ended and opened again; none: never.") var streamLife: Int?
  @Option(help: "Milliseconds; each call's deadline.") var timeout = 2000
  @Option(help: "Milliseconds between look-ups; the laboratory's own default, to be quick.") var refresh: Int?
  @Option(help: "Milliseconds without a call after which the channel is idle.") var idle: Int?
  @Option(help: "The load balancing policy.") var policy: String?
  @Option(help: "The application's service config, as JSON; CHANNEL in it is the channel's number, from 0 on.")
  var serviceConfig: String?
  @Option(help: "Each call has a header x-key; of so many keys one after the other. 0: none has.") var keys = 0
  @Flag(help: "Calls wait for a connection.") var waitForReady = false
  @Flag(help: "The service config is read of TXT records.") var configFromDNS = false
  @Flag(help: "The channels log from level info on, not notice.") var verbose = false
  @Flag(help: "Lets `config` work.") var reconfigurable = false
  @Option(help: "Where its metrics go at the end, in Prometheus' text format.") var metrics: String?
  @Option(help: "The URL of a Kubernetes API server, for k8s: targets.") var api: String?
  @Option(help: "A file with the token for it.") var apiToken: String?
  @Option(help: "The resolver throws this long after each answer, in milliseconds.") var resolverThrows: Int?

  func validate() throws {
    guard rate >= 0, seconds >= 0, channels > 0, readEach >= 0, keys >= 0 else {
      throw ValidationError("a number is out of range")
    }
  }

  func run() async throws {
    let log = try CallLog(path: out)
    let configs = ConfigurableResolverFactory(
      inner: DNSResolverFactory(refreshInterval: refresh.map { .milliseconds($0) } ?? .seconds(5)),
      throwsAfter: resolverThrows.map { .milliseconds($0) })
    let backend = PrometheusBackend()
    let observers = metrics == nil ? [] : [MetricsObserver(factory: backend)]
    let channels = try (0..<channels).map { try makeChannel($0, configs, observers) }
    let stop = StopSignal()
    followCommands { words in
      switch words.first {
      case "stop": stop.send()
      case "config": configs.publish(words.count > 1 ? words[1] : "")
      default: writeLine("ERROR unknown command \(words)")
      }
    }
    writeLine("READY")
    let total = calls ?? Int(rate * seconds)
    let steady = SteadyCalls(
      channels: channels, rate: rate, total: rate > 0 ? total : 0, repeatable: method == "read", readEach: readEach,
      keys: keys,
      timeout: .milliseconds(timeout), waitForReady: waitForReady, log: log)
    let limit: Duration? = rate > 0 ? nil : .seconds(seconds)
    await withTaskGroup(of: Void.self) { group in
      let open = LabStreams(
        channels: channels, count: streams, life: streamLife.map { .milliseconds($0) }, log: log)
      group.addTask { await open.run(stop) }
      await steady.run(stop)
      if let limit { await stop.wait(atMost: limit) }
      stop.send()
    }
    log.close()
    if let metrics { try backend.text.write(toFile: metrics, atomically: true, encoding: .utf8) }
    writeLine("DONE")
  }

  private func makeChannel(
    _ number: Int, _ configs: ConfigurableResolverFactory, _ observers: [any Observer]
  ) throws -> Channel {
    var options = ChannelOptions()
    options.observers = observers
    if verbose { options.logger.logLevel = .debug }
    if reconfigurable || resolverThrows != nil {
      options.resolvers.register(configs)
    } else if let refresh {
      options.refreshInterval = .milliseconds(refresh)
    }
    if let api {
      options.resolvers.register(KubernetesResolverFactory(cluster: try .server(api, tokenFile: apiToken)))
    }
    if configFromDNS { options.readsServiceConfigFromDNS = true }
    if let idle { options.idleTimeout = .milliseconds(idle) }
    if let policy { options.loadBalancingPolicy = policy }
    if let serviceConfig {
      options.serviceConfig = try ServiceConfig(json: serviceConfig.replacing("CHANNEL", with: "\(number)"))
    }
    do {
      return try Channel(target, options: options)
    } catch {
      throw ValidationError("\(error)")
    }
  }
}
