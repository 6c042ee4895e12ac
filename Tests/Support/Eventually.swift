/// It did not come true in time.
package struct NeverHappened: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Returns as soon as something is so that nothing tells of, which is looked at every few milliseconds.
///
/// A state that tells of itself is waited for as an event instead (a stream, a continuation, a line of a log).
///
/// - Throws: `NeverHappened` when it is not so within `limit`; whatever `condition` throws.
package func eventually(
  _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now.advanced(by: limit)
  while try await !condition() {
    guard .now < end else { throw NeverHappened("within \(limit): \(what)") }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// Returns once a count that has grown grows no more, for so long: whoever makes it grow is held up. Nothing tells of that.
///
/// - Throws: `NeverHappened` when it has not begun, or not ended, to grow within 20 s.
package func settled(_ what: String, for calm: Duration = .milliseconds(200), _ count: () -> Int) async throws {
  var last = 0
  var grown = ContinuousClock.now
  try await eventually("\(what) grow no more") {
    let now = count()
    if now != last { (last, grown) = (now, .now) }
    return last > 0 && grown.duration(to: .now) >= calm
  }
}

/// Runs `body` with more and more time, four times as much each time, until it says that it was enough: for what has to happen
/// before a deadline passes, which takes a slow machine longer, and is soon over on a fast one.
///
/// - Throws: `NeverHappened` when 13 s were not enough; whatever `body` throws.
package func givenTime(
  _ what: String, from first: Duration = .milliseconds(200), _ body: (Duration) async throws -> Bool
) async throws {
  var time = first
  while try await !body(time) {
    time *= 4
    guard time < .seconds(15) else { throw NeverHappened("within \(time / 4): \(what)") }
  }
}
