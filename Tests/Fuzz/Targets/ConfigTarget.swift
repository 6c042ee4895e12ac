import VoleryLoadBalancing
import VoleryNameResolution
import VoleryTypes

/// What DNS, files and programs bring as configuration. The first byte says what the rest is: a service config, the text of a
/// `file:` target, a target.
enum ConfigTarget {
  static func run(_ input: UnsafeRawBufferPointer) {
    guard let first = input.first else { return }
    let text = String(decoding: input.dropFirst(), as: UTF8.self)
    switch first % 3 {
    case 0: serviceConfig(text)
    case 1: endpointFile(text)
    default: target(text)
    }
  }

  private static let method = MethodDescriptor(service: "a", name: "b", kind: .unary)

  private static func serviceConfig(_ text: String) {
    if let value = try? JSONValue(parsing: text) {
      precondition((try? JSONValue(parsing: value.text)) == value, "what was written as JSON is read as something else")
    }
    guard let config = try? ServiceConfig(json: text) else { return }
    if let throttling = config.retryThrottling {
      precondition(throttling.maxTokens > 0 && throttling.maxTokens <= 1000)
      precondition(throttling.tokenRatio >= 0.001 && throttling.tokenRatio <= 1000)
    }
    if let limit = config.maxConnectionsPerSubchannel { check(limit, 1) }
    let context = PolicyContext(registry: .builtIn)
    for choice in config.loadBalancing {
      let factory = LoadBalancingRegistry.builtIn[choice.name]
      _ = try? factory?.makePolicy(configuration: choice.configuration, context: context)
    }
    guard let method = config[method] else { return }
    check(method.timeout)
    check(method.maxRequestMessageBytes ?? 0, 0)
    check(method.maxResponseMessageBytes ?? 0, 0)
    if let retry = method.retryPolicy {
      precondition((2...5).contains(retry.maxAttempts) && !retry.retryableCodes.isEmpty)
      precondition(retry.backoffMultiplier > 0 && retry.backoffMultiplier <= 1000)
      check(retry.initialBackoff)
      check(retry.maxBackoff)
      var delay = retry.initialBackoff
      for _ in 0..<64 { delay = delay.scaled(by: retry.backoffMultiplier, upTo: retry.maxBackoff) }
      check(delay)
    }
    if let hedging = method.hedgingPolicy {
      precondition((2...5).contains(hedging.maxAttempts))
      check(hedging.hedgingDelay)
    }
  }

  private static func check(_ duration: Duration?) {
    guard let duration else { return }
    precondition(duration >= .zero && duration <= ConfigReader.longestDuration, "a duration that is out of range")
  }

  private static func check(_ count: Int, _ least: Int) {
    precondition(count >= least && count <= Int(UInt32.max), "a count that is out of range")
  }

  private static func endpointFile(_ text: String) {
    guard let resolution = try? EndpointFile.parse(text, note: "a file") else { return }
    precondition(resolution.endpoints.count <= 10_000)
    precondition(resolution.endpoints.allSatisfy { !$0.addresses.isEmpty }, "an endpoint without an address")
  }

  private static func target(_ text: String) {
    let registry = ResolverRegistry(ResolverRegistry.fixed)
    guard let target = try? Target(parsing: text, knownSchemes: registry.schemes + ["dns"]) else { return }
    let again = try? Target(parsing: target.description, knownSchemes: registry.schemes + ["dns"])
    precondition(again == target, "a target is not what its description says")
    _ = try? registry[target.scheme]?.makeResolver(for: target)
    let authority = URIText.authority(target.endpoint)
    precondition(authority.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "an authority that is none")
  }
}
