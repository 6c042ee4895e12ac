import VoleryTypes

/// Which service config holds (gRFC A21): the resolver's; its last valid one while it gives an invalid one; the
/// application's where the resolver gives none. A value.
struct ServiceConfigChoice {
  private let fallback: ServiceConfig
  private var lastValid: ServiceConfig?

  init(fallback: ServiceConfig) { self.fallback = fallback }

  enum Verdict {
    case use(ServiceConfig)
    /// Go on with what holds.
    case keep(ServiceConfigError)
    /// Nothing holds: calls fail until there is a valid one.
    case fail(ServiceConfigError)
  }

  /// - Parameter validate: Throws for a config that parses but can't be carried out (its policy's configuration is wrong).
  mutating func received(
    _ result: Result<ServiceConfig?, ServiceConfigError>,
    validate: (ServiceConfig) throws(ServiceConfigError) -> Void
  ) -> Verdict {
    do throws(ServiceConfigError) {
      guard let config = try result.get() else {
        lastValid = nil
        return .use(fallback)
      }
      try validate(config)
      lastValid = config
      return .use(config)
    } catch {
      return lastValid == nil && fallback == ServiceConfig() ? .fail(error) : .keep(error)
    }
  }
}
