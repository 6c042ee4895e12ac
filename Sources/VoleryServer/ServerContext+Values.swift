import Synchronization

/// The name and type of a value that interceptors leave for the handler. Declare an empty enum for each, and a property for
/// readers:
///
///     enum TenantKey: ServerContextKey { typealias Value = Tenant }
///     extension ServerContext { var tenant: Tenant? { self[TenantKey.self] } }
///
/// The type itself is the key: two modules that call theirs the same have two keys all the same.
public protocol ServerContextKey {
  /// What stands under the key.
  associatedtype Value: Sendable
}

extension ServerContext {
  /// What somebody in front of the handler, an interceptor as a rule, has left for it under this key; nil where nobody has.
  /// It belongs to the call, and never travels. Any thread.
  public subscript<Key: ServerContextKey>(key: Key.Type) -> Key.Value? {
    get { call.values.withLock { $0[ObjectIdentifier(key)] } as? Key.Value }
    nonmutating set { call.values.withLock { $0[ObjectIdentifier(key)] = newValue } }
  }
}
