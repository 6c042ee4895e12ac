package import VoleryTypes

/// A list of endpoints that is replaced again and again, mostly by one that differs in few of them. A value.
package struct EndpointList {
  /// The part of the lists that is not the same; what has only changed its place is in both.
  package struct Change {
    package let gone: ArraySlice<Endpoint>
    package let new: ArraySlice<Endpoint>
  }

  private var endpoints: [Endpoint] = []

  package init() {}

  /// What differs by its addresses. Compares, but neither hashes nor copies what is the same at both ends of the lists.
  package mutating func replace(with list: [Endpoint]) -> Change {
    let old = endpoints
    endpoints = list
    let shorter = min(old.count, list.count)
    var start = 0
    while start < shorter, old[start].addresses == list[start].addresses { start += 1 }
    var end = 0
    while end < shorter - start, old[old.count - 1 - end].addresses == list[list.count - 1 - end].addresses { end += 1 }
    return Change(gone: old[start..<(old.count - end)], new: list[start..<(list.count - end)])
  }
}
