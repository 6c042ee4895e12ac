/// Requests that came and were not taken, first in first out; one is the normal case and costs no array.
struct RequestQueue {
  private var first: [UInt8]?
  private var rest: [[UInt8]] = []
  private var head = 0

  var isEmpty: Bool { first == nil }

  mutating func append(_ message: [UInt8]) {
    if first == nil { first = message } else { rest.append(message) }
  }

  mutating func popFirst() -> [UInt8]? {
    defer {
      if head < rest.count {
        first = rest[head]
        rest[head] = []
        head += 1
      } else {
        first = nil
        rest.removeAll(keepingCapacity: true)
        head = 0
      }
    }
    return first
  }
}
