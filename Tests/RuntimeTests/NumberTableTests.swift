import Testing
import VoleryClient

@Suite("A table by number") struct NumberTableTests {
  @Test("holds what a dictionary holds, whatever comes and goes", arguments: [1, 2, 7, 1 << 40])
  func likeADictionary(_ stride: Int) {
    var table = NumberTable<Int>()
    var expected: [Int: Int] = [:]
    var seed = UInt64(stride)
    for step in 0..<20_000 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let id = Int(seed >> 33) % 300 * stride
      // As many come as go, then they only go.
      if seed >> 32 & 1 == 0 || step > 19_000 {
        let wasThere = table.remove(id)
        #expect(wasThere == (expected[id] != nil))
        expected[id] = nil
      } else {
        table[id] = step
        expected[id] = step
      }
      #expect(table.count == expected.count)
      #expect(table[id] == expected[id])
    }
    for id in 0..<300 { #expect(table[id * stride] == expected[id * stride]) }
    #expect(Set(table.ids) == Set(expected.keys))
    #expect(table.isEmpty == expected.isEmpty)
  }

  @Test("a copy keeps what it has") func copies() {
    var table = NumberTable<Int>()
    for id in 0..<100 { table[id] = id }
    let copy = table
    for id in 0..<100 { table[id] = nil }
    #expect(table.isEmpty)
    #expect((0..<100).allSatisfy { copy[$0] == $0 })
  }
}
