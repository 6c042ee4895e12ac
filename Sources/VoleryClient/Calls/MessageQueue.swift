/// First in, first out, for a handful of messages; taking from the front does not move the others.
struct MessageQueue {
  private var messages: [[UInt8]] = []
  private var head = 0

  var isEmpty: Bool { head == messages.count }
  var count: Int { messages.count - head }

  mutating func append(_ message: [UInt8]) { messages.append(message) }

  mutating func popFirst() -> [UInt8]? {
    guard head < messages.count else { return nil }
    let message = messages[head]
    messages[head] = []
    head += 1
    if head == messages.count {
      messages.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64 {
      messages.removeFirst(head)
      head = 0
    }
    return message
  }
}
