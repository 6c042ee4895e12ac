import VoleryPlatform

// For its maths library, which rounding needs.

/// A service config that makes no sense: what is wrong, and where.
public struct ServiceConfigError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// How a channel treats the calls of a target (doc/service_config.md, gRFC A21). Made from JSON; unknown members are
/// ignored, known ones of a wrong type or value refuse the whole. Durations are what google.protobuf.Duration allows (up to
/// 315,576,000,000 s), whole numbers are at most 2^32-1.
public struct ServiceConfig: Hashable, Sendable {
  /// gRFC A6: retries stop while too many calls fail.
  public struct RetryThrottling: Hashable, Sendable {
    public var maxTokens: Double
    public var tokenRatio: Double

    public init(maxTokens: Double, tokenRatio: Double) {
      self.maxTokens = maxTokens
      self.tokenRatio = tokenRatio
    }
  }

  /// The policies named by `loadBalancingConfig`, in order of preference, each with its own JSON; the first one that the
  /// channel knows is used. Empty: the channel's default.
  public var loadBalancing: [LoadBalancingChoice] = []
  public var retryThrottling: RetryThrottling?
  /// The service to ask about (gRFC A17); nil: no health checks.
  public var healthCheckService: String?
  /// How many connections one server may get once all that it has run as many calls as it allows (gRFC A105); nil: the
  /// channel's own number.
  public var maxConnectionsPerSubchannel: Int?
  /// By the method, `service/method`; its service, `service/`; or nothing, for all.
  var methods: [String: MethodConfig] = [:]

  public struct LoadBalancingChoice: Hashable, Sendable {
    public var name: String
    public var configuration: JSONValue

    public init(name: String, configuration: JSONValue = .object([:])) {
      self.name = name
      self.configuration = configuration
    }
  }

  public init() {}

  /// Whether it says anything of methods.
  package var hasMethods: Bool { !methods.isEmpty }

  /// What holds for a method: the entry of the method, else of its service, else the one for all.
  public subscript(method: MethodDescriptor) -> MethodConfig? {
    guard !methods.isEmpty else { return nil }
    return methods["\(method.service)/\(method.name)"] ?? methods["\(method.service)/"] ?? methods[""]
  }
}

/// What a service config says about a method.
public struct MethodConfig: Hashable, Sendable {
  public var waitForReady: Bool?
  public var timeout: Duration?
  public var maxRequestMessageBytes: Int?
  public var maxResponseMessageBytes: Int?
  /// A method has one of the two.
  public var retryPolicy: RetryPolicy?
  public var hedgingPolicy: HedgingPolicy?

  public init(
    waitForReady: Bool? = nil, timeout: Duration? = nil, maxRequestMessageBytes: Int? = nil,
    maxResponseMessageBytes: Int? = nil, retryPolicy: RetryPolicy? = nil, hedgingPolicy: HedgingPolicy? = nil
  ) {
    self.waitForReady = waitForReady
    self.timeout = timeout
    self.maxRequestMessageBytes = maxRequestMessageBytes
    self.maxResponseMessageBytes = maxResponseMessageBytes
    self.retryPolicy = retryPolicy
    self.hedgingPolicy = hedgingPolicy
  }
}

/// gRFC A6, retryPolicy.
public struct RetryPolicy: Hashable, Sendable {
  /// Including the first; at least 2, at most 5.
  public var maxAttempts: Int
  public var initialBackoff: Duration
  public var maxBackoff: Duration
  /// Above 0; what is above 1,000 counts as 1,000.
  public var backoffMultiplier: Double
  public var retryableCodes: Set<StatusCode>

  public init(
    maxAttempts: Int, initialBackoff: Duration = .milliseconds(100), maxBackoff: Duration = .seconds(1),
    backoffMultiplier: Double = 2, retryableCodes: Set<StatusCode>
  ) {
    self.maxAttempts = maxAttempts
    self.initialBackoff = initialBackoff
    self.maxBackoff = maxBackoff
    self.backoffMultiplier = backoffMultiplier
    self.retryableCodes = retryableCodes
  }
}

/// gRFC A6, hedgingPolicy.
public struct HedgingPolicy: Hashable, Sendable {
  public var maxAttempts: Int
  public var hedgingDelay: Duration
  public var nonFatalCodes: Set<StatusCode>

  public init(maxAttempts: Int, hedgingDelay: Duration, nonFatalCodes: Set<StatusCode> = []) {
    self.maxAttempts = maxAttempts
    self.hedgingDelay = hedgingDelay
    self.nonFatalCodes = nonFatalCodes
  }
}

extension ServiceConfig {
  public init(json text: String) throws(ServiceConfigError) {
    let value: JSONValue
    do { value = try JSONValue(parsing: text) } catch { throw ServiceConfigError("service config: \(error)") }
    try self.init(json: value)
  }

  public init(json: JSONValue) throws(ServiceConfigError) {
    guard case .object = json else { throw ServiceConfigError("service config: not an object") }
    let reader = ConfigReader(json, at: "service config")
    try readLoadBalancing(reader)
    if let throttling = try reader.object("retryThrottling") {
      let maxTokens = try throttling.required("maxTokens", ConfigReader.number)
      let ratio = try throttling.required("tokenRatio", ConfigReader.number)
      guard maxTokens > 0, maxTokens <= 1000 else {
        throw throttling.error("maxTokens", "must be above 0 and at most 1000")
      }
      // Three decimals count; more than the most tokens is as much.
      let rounded = (min(ratio, 1000) * 1000).rounded(.down) / 1000
      guard rounded > 0 else { throw throttling.error("tokenRatio", "must be at least 0.001") }
      retryThrottling = RetryThrottling(maxTokens: maxTokens, tokenRatio: rounded)
    }
    if let health = try reader.object("healthCheckConfig") {
      healthCheckService = try health.optional("serviceName", ConfigReader.string)
    }
    if let scaling = try reader.object("connectionScaling") {
      maxConnectionsPerSubchannel = try scaling.optional("maxConnectionsPerSubchannel", ConfigReader.count)
      if maxConnectionsPerSubchannel == 0 { throw scaling.error("maxConnectionsPerSubchannel", "must be at least 1") }
    }
    for entry in try reader.array("methodConfig") { try readMethod(entry) }
  }

  private mutating func readLoadBalancing(_ reader: ConfigReader) throws(ServiceConfigError) {
    for choice in try reader.array("loadBalancingConfig") {
      guard case .object(let members) = choice.value, members.count == 1, let (name, configuration) = members.first
      else {
        throw ServiceConfigError("\(choice.place): an object with one member, the policy's name, is needed")
      }
      loadBalancing.append(LoadBalancingChoice(name: name, configuration: configuration))
    }
    if loadBalancing.isEmpty, let name = try reader.optional("loadBalancingPolicy", ConfigReader.string) {
      loadBalancing = [LoadBalancingChoice(name: name.lowercased())]
    }
  }

  private mutating func readMethod(_ reader: ConfigReader) throws(ServiceConfigError) {
    var method = MethodConfig()
    method.waitForReady = try reader.optional("waitForReady", ConfigReader.bool)
    method.timeout = try reader.optional("timeout", ConfigReader.duration)
    method.maxRequestMessageBytes = try reader.optional("maxRequestMessageBytes", ConfigReader.count)
    method.maxResponseMessageBytes = try reader.optional("maxResponseMessageBytes", ConfigReader.count)
    method.retryPolicy = try reader.object("retryPolicy").map { (reader) throws(ServiceConfigError) in
      try ServiceConfig.retryPolicy(reader)
    }
    method.hedgingPolicy = try reader.object("hedgingPolicy").map { (reader) throws(ServiceConfigError) in
      try ServiceConfig.hedgingPolicy(reader)
    }
    if method.retryPolicy != nil, method.hedgingPolicy != nil {
      throw ServiceConfigError("\(reader.place): retryPolicy and hedgingPolicy exclude one another")
    }
    for name in try reader.array("name") {
      let service = try name.optional("service", ConfigReader.string) ?? ""
      let methodName = try name.optional("method", ConfigReader.string) ?? ""
      guard !service.isEmpty || methodName.isEmpty else { throw name.error("method", "needs a service") }
      let key = service.isEmpty ? "" : "\(service)/\(methodName)"
      guard methods.updateValue(method, forKey: key) == nil else {
        throw ServiceConfigError("\(name.place): \"\(key)\" is configured twice")
      }
    }
  }

  private static func retryPolicy(_ reader: ConfigReader) throws(ServiceConfigError) -> RetryPolicy {
    var policy = RetryPolicy(
      maxAttempts: try attempts(reader),
      initialBackoff: try reader.required("initialBackoff", ConfigReader.duration),
      maxBackoff: try reader.required("maxBackoff", ConfigReader.duration),
      backoffMultiplier: try reader.required("backoffMultiplier", ConfigReader.number),
      retryableCodes: try codes(reader, "retryableStatusCodes"))
    guard policy.initialBackoff > .zero else { throw reader.error("initialBackoff", "must be above 0") }
    guard policy.maxBackoff > .zero else { throw reader.error("maxBackoff", "must be above 0") }
    guard policy.backoffMultiplier > 0 else { throw reader.error("backoffMultiplier", "must be above 0") }
    policy.backoffMultiplier = min(policy.backoffMultiplier, 1000)
    guard !policy.retryableCodes.isEmpty else { throw reader.error("retryableStatusCodes", "must not be empty") }
    return policy
  }

  private static func hedgingPolicy(_ reader: ConfigReader) throws(ServiceConfigError) -> HedgingPolicy {
    HedgingPolicy(
      maxAttempts: try attempts(reader),
      hedgingDelay: try reader.optional("hedgingDelay", ConfigReader.duration) ?? .zero,
      nonFatalCodes: try codes(reader, "nonFatalStatusCodes"))
  }

  private static func attempts(_ reader: ConfigReader) throws(ServiceConfigError) -> Int {
    let attempts = try reader.required("maxAttempts", ConfigReader.count)
    guard attempts >= 2 else { throw reader.error("maxAttempts", "must be at least 2") }
    return min(attempts, 5)
  }

  private static func codes(_ reader: ConfigReader, _ name: String) throws(ServiceConfigError) -> Set<StatusCode> {
    var codes: Set<StatusCode> = []
    for element in try reader.array(name) {
      let code: StatusCode? =
        switch element.value {
        case .string(let text): StatusCode(name: text.uppercased())
        case .number(let text): Int(text).flatMap(StatusCode.init(rawValue:))
        default: nil
        }
      guard let code else { throw ServiceConfigError("\(element.place): not a status code") }
      codes.insert(code)
    }
    return codes
  }
}
