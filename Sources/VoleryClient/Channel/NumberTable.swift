/// What a channel has of its subchannels, by their numbers, for every call to look into: hashing as a dictionary does would be
/// most of that. A value.
package struct NumberTable<Value: Sendable>: Sendable {
  private struct Place: Sendable {
    var id = NumberTable.nobody
    var value: Value?
  }

  /// No subchannel's number.
  private static var nobody: Int { -1 }
  /// A power of two of them, at most half of them taken; each value stands at its number's place, or behind it with none empty
  /// in between.
  private var places = [Place(), Place()]
  /// How many bits of a number's product say its place.
  private var placeBits = 1
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  /// In no order.
  package var ids: some Sequence<Int> { places.lazy.map(\.id).filter { $0 != NumberTable.nobody } }

  /// Numbers are not negative.
  package subscript(id: Int) -> Value? {
    get {
      var index = home(of: id)
      while true {
        let found = places[index].id
        if found == id { return places[index].value }
        if found == NumberTable.nobody { return nil }
        index = next(index)
      }
    }
    set {
      if let newValue { set(newValue, for: id) } else { remove(id) }
    }
  }

  private mutating func set(_ value: Value, for id: Int) {
    precondition(id >= 0, "a subchannel's number is \(id)")
    if 2 * (count + 1) > places.count { grow() }
    var index = home(of: id)
    while places[index].id != NumberTable.nobody, places[index].id != id { index = next(index) }
    if places[index].id == NumberTable.nobody { count += 1 }
    places[index] = Place(id: id, value: value)
  }

  /// - Returns: Whether there was one.
  @discardableResult package mutating func remove(_ id: Int) -> Bool {
    var hole = home(of: id)
    while places[hole].id != id {
      if places[hole].id == NumberTable.nobody { return false }
      hole = next(hole)
    }
    count -= 1
    // Those behind it move up where they would not be found any more.
    var index = next(hole)
    while places[index].id != NumberTable.nobody {
      let way = (index &- home(of: places[index].id)) & (places.count - 1)
      if way >= (index &- hole) & (places.count - 1) {
        places[hole] = places[index]
        hole = index
      }
      index = next(index)
    }
    places[hole] = Place()
    return true
  }

  private mutating func grow() {
    let old = places
    placeBits += 1
    places = Array(repeating: Place(), count: 1 << placeBits)
    count = 0
    for place in old {
      if let value = place.value { set(value, for: place.id) }
    }
  }

  /// Numbers follow one another: their low bits alone would put them side by side.
  private func home(of id: Int) -> Int {
    Int(truncatingIfNeeded: (UInt64(truncatingIfNeeded: id) &* 0x9e37_79b9_7f4a_7c15) >> UInt64(64 - placeBits))
  }

  private func next(_ index: Int) -> Int { (index &+ 1) & (places.count - 1) }
}
