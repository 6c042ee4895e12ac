import VoleryTypes

/// Which service config holds (gRFC A21): the resolver's; its last valid one while it gives an invalid one; the
/// application's where the resolver gives none. A value.
struct ServiceConfigChoice {
  private let fallback: ServiceConfig
  /// An answer's config, or that it had none, was accepted: there is something to go on with.
  private var isSettled = false

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
      let config = try result.get()
      if let config { try validate(config) }
      isSettled = true
      return .use(config ?? fallback)
    } catch {
      return isSettled || fallback != ServiceConfig() ? .keep(error) : .fail(error)
    }
  }
}
