import Synchronization

/// Numbers for what observers are told of, from 1, in the process.
package enum ObservedID {
  private static let last = Atomic<Int>(0)

  package static func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}
