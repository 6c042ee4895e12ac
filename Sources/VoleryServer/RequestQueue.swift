import VoleryTransport

/// Requests that came and were not taken, first in first out; one is the normal case and costs no array.
struct RequestQueue {
  private static let none = ReceivedMessage([], isCompressed: false)
  private var first: ReceivedMessage?
  private var rest: [ReceivedMessage] = []
  private var head = 0

  var isEmpty: Bool { first == nil }

  mutating func append(_ message: ReceivedMessage) {
    if first == nil { first = message } else { rest.append(message) }
  }

  mutating func popFirst() -> ReceivedMessage? {
    defer {
      if head < rest.count {
        first = rest[head]
        rest[head] = RequestQueue.none
        head += 1
        if head >= 64 {
          rest.removeFirst(head)
          head = 0
        }
      } else {
        first = nil
        if head > 0 {
          rest.removeAll(keepingCapacity: true)
          head = 0
        }
      }
    }
    return first
  }
}
