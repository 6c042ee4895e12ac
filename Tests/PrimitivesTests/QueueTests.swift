import Testing
import VoleryPrimitives

@Suite("Queues") struct QueueTests {
  /// Counts the objects that are alive.
  private final class Token: Sendable {
    let number: Int
    init(_ number: Int) { self.number = number }
  }

  @Test("what comes out is what went in, in order, however the two are mixed") func order() {
    var generator = SystemRandomNumberGenerator()
    var queue = Queue<Int>()
    var model: [Int] = []
    for number in 0..<50_000 {
      // In waves, so that it is empty, short, and long.
      let isFilling = number / 5000 % 2 == 0
      if UInt8.random(in: 0..<8, using: &generator) < (isFilling ? 5 : 3) {
        queue.append(number)
        model.append(number)
      } else {
        let next = model.isEmpty ? nil : model.removeFirst()
        #expect(queue.first == next)
        #expect(queue.popFirst() == next)
      }
      #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
    }
  }

  @Test("one element needs no memory of its own") func single() {
    var queue = Queue<Int>()
    for number in 0..<1000 {
      queue.append(number)
      #expect(queue.popFirst() == number)
    }
    #expect(queue.ringCount == 0)
    #expect(queue.popFirst() == nil)
  }

  @Test("a queue that is never empty does not grow") func steady() {
    var queue = Queue<Int>()
    for number in 0..<5 { queue.append(number) }
    for number in 0..<1_000_000 {
      queue.append(number + 5)
      #expect(queue.popFirst() == number)
    }
    #expect(queue.count == 5)
    #expect(queue.ringCount <= 8)
  }

  @Test("what a burst has taken is given back, though the queue is never empty") func burst() {
    var queue = Queue<Int>()
    for number in 0..<100_000 { queue.append(number) }
    for _ in 0..<99_990 { _ = queue.popFirst() }
    #expect(queue.ringCount <= 512)
    #expect(queue.popFirst() == 99_990)
  }

  @Test("what was taken, and what the queue still has at its end, is let go of") func lifetimes() {
    weak var taken: Token?
    weak var left: Token?
    do {
      var queue = Queue<Token>()
      for number in 0..<20 {
        let token = Token(number)
        if number == 7 { taken = token }
        if number == 15 { left = token }
        queue.append(token)
      }
      for number in 0..<10 { #expect(queue.popFirst()?.number == number) }
      #expect(taken == nil)
      #expect(left != nil)
    }
    #expect(left == nil)
  }
}
