/// The name and type of an attribute. Declare an empty enum for each, and a property for readers:
///
///     enum ShardKey: AttributeKey { typealias Value = Int }
///     extension Attributes { var shard: Int? { get { self[ShardKey.self] } set { self[ShardKey.self] = newValue } } }
///
/// The type itself is the key: two modules that call theirs the same have two keys all the same.
public protocol AttributeKey {
  /// Compared to find out what has changed, so equal values must mean the same.
  associatedtype Value: Hashable & Sendable
}

/// What a resolver knows of an endpoint, or of its whole answer, on its way to policies and pickers: values of any type, each
/// under a key with a type. Equal when they have the same keys with equal values.
public struct Attributes: Hashable, Sendable {
  private struct Entry: Sendable {
    let key: ObjectIdentifier
    var value: any Hashable & Sendable
  }

  /// In no order, each key once. They are few, and copied far more often than they are looked up.
  private var entries: [Entry] = []

  /// No attributes; costs no allocation.
  public init() {}

  /// True while there is no value under any key.
  public var isEmpty: Bool { entries.isEmpty }

  /// Nil: there is none; setting nil removes it.
  public subscript<Key: AttributeKey>(key: Key.Type) -> Key.Value? {
    get { value(under: ObjectIdentifier(key)) as? Key.Value }
    set { set(newValue, under: ObjectIdentifier(key)) }
  }

  private func value(under key: ObjectIdentifier) -> (any Hashable & Sendable)? {
    for entry in entries where entry.key == key { return entry.value }
    return nil
  }

  private mutating func set(_ value: (any Hashable & Sendable)?, under key: ObjectIdentifier) {
    let index = entries.firstIndex { $0.key == key }
    switch (index, value) {
    case (let index?, let value?): entries[index].value = value
    case (let index?, nil): entries.remove(at: index)
    case (nil, let value?): entries.append(Entry(key: key, value: value))
    case (nil, nil): break
    }
  }

  /// Whether both are the same in memory, which is found out at once: they are equal then. False says nothing.
  package func isIdentical(to other: Attributes) -> Bool {
    let (own, others) = unsafe (
      entries.withUnsafeBufferPointer(\.baseAddress), other.entries.withUnsafeBufferPointer(\.baseAddress)
    )
    return unsafe own == others && entries.count == other.entries.count
  }

  /// Those of `other` over these.
  public func merging(_ other: Attributes) -> Attributes {
    var merged = self
    for entry in other.entries { merged.set(entry.value, under: entry.key) }
    return merged
  }

  /// True when both have the same keys, each with an equal value of the same type; the order of setting does not count.
  public static func == (left: Attributes, right: Attributes) -> Bool {
    guard left.entries.count == right.entries.count else { return false }
    if left.isIdentical(to: right) { return true }
    return left.entries.allSatisfy { entry in right.value(under: entry.key).map { isEqual(entry.value, $0) } ?? false }
  }

  private static func isEqual<Value: Equatable>(_ value: Value, _ other: any Hashable) -> Bool {
    other as? Value == value
  }

  /// Agrees with `==`: the same for equal attributes, whatever the order in which they were set.
  public func hash(into hasher: inout Hasher) {
    // The order says nothing.
    var sum = 0
    for entry in entries {
      var single = Hasher()
      single.combine(entry.key)
      entry.value.hash(into: &single)
      sum ^= single.finalize()
    }
    hasher.combine(sum)
  }
}

// MARK: - What this package's resolvers and policies know

extension Attributes {
  private enum Weight: AttributeKey { typealias Value = UInt32 }
  private enum Priority: AttributeKey { typealias Value = UInt32 }
  private enum Zone: AttributeKey { typealias Value = String }
  private enum ServerName: AttributeKey { typealias Value = String }
  private enum Cluster: AttributeKey { typealias Value = String }
  private enum Custom: AttributeKey { typealias Value = [String: String] }

  /// Of an endpoint: relative share of calls wanted; nil counts as 1. 0: its connection is kept, and it gets no calls while a ready
  /// one of its priority has more. Every policy of this package that spreads calls goes by it; one that changes opens no
  /// connection anew.
  public var weight: UInt32? {
    get { self[Weight.self] }
    set { self[Weight.self] = newValue }
  }

  /// Of an endpoint: lower is tried first (SRV records).
  public var priority: UInt32? {
    get { self[Priority.self] }
    set { self[Priority.self] = newValue }
  }

  /// Of an endpoint: the availability zone, as the platform names it.
  public var zone: String? {
    get { self[Zone.self] }
    set { self[Zone.self] = newValue }
  }

  /// Of an endpoint: the name to check the server's certificate against, where it is not the channel's authority.
  public var serverName: String? {
    get { self[ServerName.self] }
    set { self[ServerName.self] = newValue }
  }

  /// Of an endpoint: the cluster that it belongs to, by which a channel chooses its credentials
  /// (`ChannelOptions.clusterCredentials`). Of a call: the cluster that a config selector wants (`CallConfiguration`).
  public var cluster: String? {
    get { self[Cluster.self] }
    set { self[Cluster.self] = newValue }
  }

  /// Anything else that comes as text, such as a file's; what is made in code has a key of its own.
  public var custom: [String: String] {
    get { self[Custom.self] ?? [:] }
    set { self[Custom.self] = newValue.isEmpty ? nil : newValue }
  }
}
