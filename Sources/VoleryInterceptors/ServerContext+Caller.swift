public import VoleryServer
public import VoleryTypes

enum CallerKey<Caller: Sendable>: ServerContextKey { typealias Value = Caller }

extension ServerContext {
  /// The caller, as `Authentication` has found.
  ///
  /// - Throws: UNAUTHENTICATED where no `Authentication` for this type stands before the method: who forgets it lets nobody in.
  public func caller<Caller: Sendable>(_ type: Caller.Type = Caller.self) throws(StatusError) -> Caller {
    guard let caller = self[CallerKey<Caller>.self] else {
      throw StatusError(.unauthenticated, "nobody has found out who calls \(method.path)")
    }
    return caller
  }

  /// Makes somebody the call's caller: for interceptors of your own, and for tests of handlers.
  public func setCaller(_ caller: some Sendable) { set(caller) }

  private func set<Caller: Sendable>(_ caller: Caller) { self[CallerKey<Caller>.self] = caller }
}
