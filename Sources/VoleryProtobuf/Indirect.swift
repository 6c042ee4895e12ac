/// A value on the heap: for a field through which a message contains itself.
public final class Indirect<Value: Hashable & Sendable>: Hashable, Sendable {
  public let value: Value

  public init(_ value: Value) { self.value = value }

  public static func == (left: Indirect, right: Indirect) -> Bool { left === right || left.value == right.value }

  public func hash(into hasher: inout Hasher) { hasher.combine(value) }
}
