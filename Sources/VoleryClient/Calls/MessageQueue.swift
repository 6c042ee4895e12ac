import VoleryTransport

/// First in, first out, for a handful of messages; taking from the front does not move the others.
struct MessageQueue {
  private static let none = ReceivedMessage([], isCompressed: false)
  private var messages: [ReceivedMessage] = []
  private var head = 0

  var isEmpty: Bool { head == messages.count }
  var count: Int { messages.count - head }

  mutating func append(_ message: ReceivedMessage) { messages.append(message) }

  mutating func popFirst() -> ReceivedMessage? {
    guard head < messages.count else { return nil }
    let message = messages[head]
    messages[head] = MessageQueue.none
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
