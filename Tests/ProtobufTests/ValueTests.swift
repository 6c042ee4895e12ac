import TestMessages
import Testing
import VoleryProtobuf

/// Large messages share their fields until one of them changes (`Stored`); nobody should notice.
@Suite("Messages as values", .timeLimit(.minutes(1))) struct ValueTests {
  @Test("a copy does not change with the original, nor a decoded one with another") func copies() throws {
    let original = MessageTests.full
    var copy = original
    copy.int32Value = 1
    copy.inner?.text = "other"
    copy.stringMap["new"] = "entry"
    copy.choice = nil
    copy.unknownFields = UnknownFields()
    #expect(original == MessageTests.full)
    #expect(copy != original)
    #expect(copy.inner?.text == "other")
    let empty = Everything()
    var other = Everything()
    other.int32Value = 2
    #expect(empty == Everything())
    #expect(other != empty)
  }

  @Test("a message changes in place") func inPlace() {
    var message = Everything()
    for index in 0..<100_000 { message.int32List.append(Int32(index)) }
    // Were the array copied each time, this would take minutes.
    #expect(message.int32List.count == 100_000)
  }

  @Test("a message that contains itself can be built, compared, hashed and changed deep inside") func recursion() {
    var tree = Tree(value: 1)
    for value in 2...50 { tree = Tree(value: Int32(value), left: tree, children: [Tree(value: 0)]) }
    var other = tree
    #expect(tree == other)
    #expect(tree.hashValue == other.hashValue)
    other.left?.left?.left?.value = 0
    #expect(tree != other)
    #expect(tree.left?.left?.left?.value == 47)
    #expect(Set([tree, other, tree]).count == 2)
  }

  @Test("messages go to other tasks and are changed there") func tasks() async {
    let shared = MessageTests.full
    await withTaskGroup(of: Int32.self) { group in
      for index in 0..<64 {
        group.addTask {
          var own = shared
          for step in 0..<100 { own.int32Value = Int32(index * 100 + step) }
          return own.int32Value
        }
      }
      var sum: Int32 = 0
      for await value in group { sum += value }
      // 64 tasks, each with 100 times its index and 99.
      #expect(sum == 207_936)
    }
    #expect(shared == MessageTests.full)
  }
}
