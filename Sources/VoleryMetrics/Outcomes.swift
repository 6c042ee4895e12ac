import Synchronization
import VoleryTypes

/// What belongs to each of the status codes, made when a call first ends with it.
final class Outcomes<Value: Sendable>: Sendable {
  private let values = Mutex([Value?](repeating: nil, count: StatusCode.all.count))
  private let make: @Sendable (StatusCode) -> Value

  init(make: @escaping @Sendable (StatusCode) -> Value) { self.make = make }

  subscript(code: StatusCode) -> Value {
    if let found = values.withLock({ $0[code.rawValue] }) { return found }
    let made = make(code)
    return values.withLock { values in
      let kept = values[code.rawValue] ?? made
      values[code.rawValue] = kept
      return kept
    }
  }
}
