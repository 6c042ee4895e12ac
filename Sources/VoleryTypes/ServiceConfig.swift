import VoleryPlatform

// For its maths library, which rounding needs.

/// A service config that makes no sense: what is wrong, and where.
public struct ServiceConfigError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong and where: `service config.methodConfig[0].timeout has a wrong type or value`.
  public let description: String

  /// An error of a policy's own reader of its configuration; say the member's path first, then what is wrong with it.
  public init(_ description: String) { self.description = description }
}

/// How a channel treats the calls of a target (doc/service_config.md, gRFC A21). Made from JSON; unknown members are
/// ignored, known ones of a wrong type or value refuse the whole. Durations are what google.protobuf.Duration allows (up to
/// 315,576,000,000 s), whole numbers are at most 2^32-1.
public struct ServiceConfig: Hashable, Sendable {
  /// gRFC A6: retries stop while too many calls fail.
  public struct RetryThrottling: Hashable, Sendable {
    /// Tokens at the start and at most, above 0 and up to 1,000. A failed attempt takes one; at half of them and below, no
    /// call is retried or hedged.
    public var maxTokens: Double
    /// Tokens that a successful call gives back: at least 0.001, three decimals.
    public var tokenRatio: Double

    /// Tokens in these limits; `ServiceConfig(json:)` checks them, this does not.
    public init(maxTokens: Double, tokenRatio: Double) {
      self.maxTokens = maxTokens
      self.tokenRatio = tokenRatio
    }
  }

  /// The policies named by `loadBalancingConfig`, in order of preference, each with its own JSON; the first one that the
  /// channel knows is used. Empty: the channel's default.
  public var loadBalancing: [LoadBalancingChoice] = []
  /// For all of the channel's calls to this target together; nil: retries are not throttled.
  public var retryThrottling: RetryThrottling?
  /// The service to ask about (gRFC A17); nil: no health checks.
  public var healthCheckService: String?
  /// How many connections one server may get once all that it has run as many calls as it allows (gRFC A105); nil: the
  /// channel's own number.
  public var maxConnectionsPerSubchannel: Int?
  /// By the method, `service/method`; its service, `service/`; or nothing, for all.
  var methods: [String: MethodConfig] = [:]

  /// A policy and its configuration, as `loadBalancingConfig` has them: `{"round_robin": {}}`.
  public struct LoadBalancingChoice: Hashable, Sendable {
    /// The policy's name, as its factory says it: `round_robin`, `pick_first`.
    public var name: String
    /// The policy's own configuration, which its factory reads; an object, `{}` by default.
    public var configuration: JSONValue

    /// A policy by its name; `configuration` is `{}` by default.
    public init(name: String, configuration: JSONValue = .object([:])) {
      self.name = name
      self.configuration = configuration
    }
  }

  /// A config that says nothing: every call as the channel's options have it.
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
  /// Whether calls wait for a connection instead of failing with UNAVAILABLE, where the call's own options don't say; nil:
  /// they don't wait.
  public var waitForReady: Bool?
  /// Time for a call from its start; the earlier of this and the caller's own deadline wins. Nil: no limit of the config's.
  public var timeout: Duration?
  /// The largest message that is sent, in bytes; the smaller of this and the call's own limit holds. Nil: no limit of the
  /// config's.
  public var maxRequestMessageBytes: Int?
  /// The largest message that is accepted, in bytes; the smaller of this and the limit of call or channel holds. Nil: no
  /// limit of the config's.
  public var maxResponseMessageBytes: Int?
  /// A method has one of the two.
  public var retryPolicy: RetryPolicy?
  /// How calls are made several times at once; nil: they are not. Not together with `retryPolicy`.
  public var hedgingPolicy: HedgingPolicy?

  /// A configuration of what is given; nil leaves it to the call's own options and the channel's.
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
  /// The longest wait before the second attempt, above 0; what is waited is up to 20 % more or less.
  public var initialBackoff: Duration
  /// What the growing waits stop at, above 0; 20 % more or less, as well.
  public var maxBackoff: Duration
  /// Above 0; what is above 1,000 counts as 1,000.
  public var backoffMultiplier: Double
  /// The codes after which a call is tried again; at least one.
  public var retryableCodes: Set<StatusCode>

  /// A policy that is not read from JSON: the limits above are then the caller's to keep.
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
  /// Attempts altogether, including the first; at least 2, at most 5.
  public var maxAttempts: Int
  /// The wait before each further attempt while none has answered; zero: all are made at once.
  public var hedgingDelay: Duration
  /// After these codes the other attempts go on; any other code ends the call with it.
  public var nonFatalCodes: Set<StatusCode>

  /// Hedging in these limits; `ServiceConfig(json:)` checks them, this does not.
  public init(maxAttempts: Int, hedgingDelay: Duration, nonFatalCodes: Set<StatusCode> = []) {
    self.maxAttempts = maxAttempts
    self.hedgingDelay = hedgingDelay
    self.nonFatalCodes = nonFatalCodes
  }
}

extension ServiceConfig {
  /// Reads a service config's JSON text (RFC 8259, gRFC A2).
  ///
  /// - Throws: What is no JSON and where, or which member has a wrong type or value. Nothing of it holds then.
  public init(json text: String) throws(ServiceConfigError) {
    let value: JSONValue
    do { value = try JSONValue(parsing: text) } catch { throw ServiceConfigError("service config: \(error)") }
    try self.init(json: value)
  }

  /// The same from a value that has been read already.
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
