/// Names for the priorities of a cluster that stay with their localities: a locality that moves to another priority takes the
/// name along, and with it the policy that has its connections (gRFC A37). A value.
package struct PriorityNames: Equatable {
  private var ofLocality: [String: Int] = [:]
  private var last = 0

  package init() {}

  /// - Parameter priorities: The localities of each, the most wanted first.
  /// - Returns: A number for each, none twice.
  package mutating func numbers(for priorities: [[String]]) -> [Int] {
    var taken: Set<Int> = []
    var next: [String: Int] = [:]
    let numbers = priorities.map { localities in
      var number = localities.lazy.compactMap { [ofLocality] in ofLocality[$0] }.first { !taken.contains($0) }
      if number == nil {
        last += 1
        number = last
      }
      taken.insert(number!)
      for locality in localities { next[locality] = number }
      return number!
    }
    ofLocality = next
    return numbers
  }
}
