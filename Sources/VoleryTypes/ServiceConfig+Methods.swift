/// Which methods a configuration is for.
public struct MethodScope: Hashable, Sendable {
  let key: String

  /// Every method that nothing else is said of.
  public static let all = MethodScope(key: "")

  /// Those of a service, by its full name, that have none of their own.
  ///
  /// - Precondition: the name is not empty.
  public static func service(_ name: String) -> MethodScope {
    precondition(!name.isEmpty, "a service has a name: MethodScope.all is for all of them")
    return MethodScope(key: "\(name)/")
  }

  /// This one method.
  public static func method(_ method: MethodDescriptor) -> MethodScope {
    MethodScope(key: "\(method.service)/\(method.name)")
  }
}

extension ServiceConfig {
  /// What is said for these methods themselves; nil: nothing. The most particular one holds, whole: nothing is taken of the
  /// others.
  ///
  ///     var config = ServiceConfig()
  ///     config[.all] = MethodConfig(timeout: .seconds(5))
  ///     config[.service("shop.Orders")] = MethodConfig(timeout: .seconds(2), retryPolicy: .init(
  ///       maxAttempts: 3, retryableCodes: [.unavailable]))
  ///     config[.method(OrdersMethods.place.descriptor)] = MethodConfig(timeout: .seconds(10))
  ///     options.serviceConfig = config
  ///
  /// - Precondition: of a configuration that is set, what the JSON of a service config has to keep to as well: not both policies;
  ///   of a retry policy, 2 attempts or more, times and multiplier above 0, and a code; of a hedging policy, 2 attempts or more.
  ///   More than 5 attempts count as 5 (gRFC A6).
  public subscript(scope: MethodScope) -> MethodConfig? {
    get { methods[scope.key] }
    set { methods[scope.key] = newValue?.checked }
  }
}

extension MethodConfig {
  fileprivate var checked: MethodConfig {
    precondition(retryPolicy == nil || hedgingPolicy == nil, "a retry policy and a hedging policy exclude one another")
    var checked = self
    checked.retryPolicy = retryPolicy?.checked
    checked.hedgingPolicy = hedgingPolicy?.checked
    return checked
  }
}

extension RetryPolicy {
  fileprivate var checked: RetryPolicy {
    precondition(maxAttempts >= 2, "a retry policy has 2 attempts or more, not \(maxAttempts)")
    precondition(initialBackoff > .zero && maxBackoff > .zero, "a retry policy's times have to be above 0")
    precondition(backoffMultiplier > 0, "a retry policy's multiplier has to be above 0, not \(backoffMultiplier)")
    precondition(!retryableCodes.isEmpty, "a retry policy without a status code retries nothing")
    var checked = self
    checked.maxAttempts = min(maxAttempts, 5)
    checked.backoffMultiplier = min(backoffMultiplier, 1000)
    return checked
  }
}

extension HedgingPolicy {
  fileprivate var checked: HedgingPolicy {
    precondition(maxAttempts >= 2, "a hedging policy has 2 attempts or more, not \(maxAttempts)")
    var checked = self
    checked.maxAttempts = min(maxAttempts, 5)
    checked.hedgingDelay = max(hedgingDelay, .zero)
    return checked
  }
}
