import Testing
import VoleryTypes

@Suite("Attributes") struct AttributesTests {
  private enum Shard: AttributeKey { typealias Value = Int }
  private enum Tags: AttributeKey { typealias Value = Set<String> }
  private enum OtherShard: AttributeKey { typealias Value = Int }

  @Test("values keep their types, and keys of the same kind are apart") func types() {
    var attributes = Attributes()
    #expect(attributes.isEmpty && attributes[Shard.self] == nil)
    attributes[Shard.self] = 7
    attributes[Tags.self] = ["a", "b"]
    #expect(attributes[Shard.self] == 7 && attributes[Tags.self] == ["a", "b"] && attributes[OtherShard.self] == nil)
    attributes[Shard.self] = nil
    attributes[Tags.self] = nil
    #expect(attributes == Attributes())
  }

  @Test("equal when all are equal, whatever order they came in") func equality() {
    var (left, right) = (Attributes(), Attributes())
    left[Shard.self] = 7
    left.weight = 3
    right.weight = 3
    #expect(left != right)
    right[Shard.self] = 7
    #expect(left == right && left.hashValue == right.hashValue)
    right[Shard.self] = 8
    #expect(left != right)
    right[Shard.self] = nil
    right[OtherShard.self] = 7
    #expect(left != right, "the key counts")
  }

  @Test("a selector is the same as itself only") func selector() {
    final class Selector: ConfigSelector {
      func configuration(of call: ConfigSelectorRequest) -> CallConfiguration { CallConfiguration() }
    }
    let one = Selector()
    var (left, right) = (Attributes(), Attributes())
    left.configSelector = one
    right.configSelector = one
    #expect(left == right)
    right.configSelector = Selector()
    #expect(left != right)
  }

  @Test("merging lets the other's win") func merging() {
    var (left, right) = (Attributes(), Attributes())
    left.zone = "a"
    left.weight = 1
    right.zone = "b"
    let merged = left.merging(right)
    #expect(merged.zone == "b" && merged.weight == 1)
  }
}
