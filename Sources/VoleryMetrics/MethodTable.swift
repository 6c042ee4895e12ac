import Synchronization
import VoleryTypes

/// A `BoundedTable` of methods, by the hash that they carry: it is asked for each call. Open addressing, at most half full.
final class MethodTable<Value: AnyObject & Sendable>: Sendable {
  fileprivate struct State {
    var hashes = [Int](repeating: 0, count: 16)
    var methods = [MethodDescriptor?](repeating: nil, count: 16)
    var values = [Value?](repeating: nil, count: 16)
    var count = 0
    var other: Value?
  }

  private let state = Mutex(State())
  private let limit: Int
  private let make: @Sendable (MethodDescriptor?) -> Value

  /// - Parameter make: With nil: for all others.
  init(limit: Int, make: @escaping @Sendable (MethodDescriptor?) -> Value) {
    self.limit = limit
    self.make = make
  }

  /// - Parameter method: Nil: what stands for the others.
  subscript(method: MethodDescriptor?) -> Value {
    if let found = state.withLock({ $0.find(method) }) { return found }
    let isFull = state.withLock { $0.count >= limit }
    let kept = isFull ? nil : method
    if isFull, let found = state.withLock({ $0.other }) { return found }
    let made = make(kept)
    return state.withLock { state in
      if let found = state.find(kept) { return found }
      state.add(kept, made)
      return made
    }
  }
}

extension MethodTable.State {
  /// Where it is, or would be.
  private func index(of method: MethodDescriptor) -> Int {
    let hash = method.nameHash
    var index = hash & (hashes.count - 1)
    while values[index] != nil, hashes[index] != hash || methods[index] != method {
      index = (index + 1) & (hashes.count - 1)
    }
    return index
  }

  fileprivate func find(_ method: MethodDescriptor?) -> Value? {
    guard let method else { return other }
    return values[index(of: method)]
  }

  fileprivate mutating func add(_ method: MethodDescriptor?, _ value: Value) {
    guard let method else {
      other = value
      return
    }
    if count * 2 >= hashes.count { grow() }
    count += 1
    put(method, value)
  }

  private mutating func put(_ method: MethodDescriptor, _ value: Value) {
    let index = index(of: method)
    hashes[index] = method.nameHash
    methods[index] = method
    values[index] = value
  }

  private mutating func grow() {
    let old = self
    hashes = [Int](repeating: 0, count: old.hashes.count * 2)
    methods = [MethodDescriptor?](repeating: nil, count: hashes.count)
    values = [Value?](repeating: nil, count: hashes.count)
    for (method, value) in zip(old.methods, old.values) {
      if let method, let value { put(method, value) }
    }
  }
}
