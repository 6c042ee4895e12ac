/// Which of several control planes are asked (gRFC A71): the first; the next one as well when one can't be reached and something
/// is wanted that nobody has told yet; and none after the one that has answered. A value.
package struct ServerChoice: Equatable {
  package enum Verdict: Equatable {
    /// This one is to be asked, too.
    case begin(Int)
    /// Nothing changes.
    case stay
    /// None of them can be reached.
    case exhausted
  }

  private let count: Int
  /// The last of those that are asked.
  package private(set) var reach = 0
  /// Those whose last stream has brought nothing.
  private var failing: Set<Int> = []

  /// - Parameter count: At least 1.
  package init(count: Int) { self.count = count }

  /// A stream to this one has ended and brought nothing.
  ///
  /// - Parameter isMissing: Whether something is wanted that nobody has told.
  package mutating func failed(_ server: Int, isMissing: Bool) -> Verdict {
    guard server <= reach else { return .stay }
    failing.insert(server)
    guard isMissing else { return .stay }
    if let next = begin() { return .begin(next) }
    return failing.count == count ? .exhausted : .stay
  }

  /// Something is wanted that nobody has told. Returns who is to be asked, too.
  package mutating func wanted() -> Int? { begin() }

  /// It has answered: those after it are not needed.
  package mutating func heard(_ server: Int) {
    reach = server
    failing = failing.filter { $0 < server }
  }

  private mutating func begin() -> Int? {
    guard failing.contains(reach), reach + 1 < count else { return nil }
    reach += 1
    return reach
  }
}
