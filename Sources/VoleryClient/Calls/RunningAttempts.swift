import VoleryTypes

/// The attempts of a call that run: one, or several while it is hedged. A value, guarded by the call's lock. One costs no
/// array.
struct RunningAttempts {
  /// One attempt, and what of the call's messages it has been given.
  struct Record {
    let attempt: CallAttempt
    var sentCount = 0
    var isHalfCloseSent = false
    /// Somebody has undertaken to give the attempt what it lacks.
    var isFlushScheduled = true
  }

  private var first: Record?
  private var others: [Record] = []

  var isEmpty: Bool { first == nil }
  var count: Int { (first == nil ? 0 : 1) + others.count }
  var all: [CallAttempt] { ([first].compactMap { $0 } + others).map(\.attempt) }

  /// The one that runs; nil while there are several, or none.
  var only: CallAttempt? { others.isEmpty ? first?.attempt : nil }

  func contains(_ attempt: CallAttempt) -> Bool {
    first?.attempt === attempt || (!others.isEmpty && others.contains { $0.attempt === attempt })
  }

  mutating func add(_ attempt: CallAttempt) {
    if first == nil { first = Record(attempt: attempt) } else { others.append(Record(attempt: attempt)) }
  }

  /// Changes the attempt's record; nil when it does not run.
  mutating func change<Result>(_ attempt: CallAttempt, _ body: (inout Record) -> Result) -> Result? {
    if first?.attempt === attempt { return body(&first!) }
    guard let index = others.firstIndex(where: { $0.attempt === attempt }) else { return nil }
    return body(&others[index])
  }

  mutating func remove(_ attempt: CallAttempt) {
    if first?.attempt === attempt {
      first = others.isEmpty ? nil : others.removeFirst()
    } else {
      others.removeAll { $0.attempt === attempt }
    }
  }

  /// Only this one is left.
  ///
  /// - Returns: The others.
  mutating func keepOnly(_ attempt: CallAttempt) -> [CallAttempt] {
    guard !others.isEmpty else { return [] }
    let records = [first!] + others
    first = records.first { $0.attempt === attempt }
    others = []
    return records.map(\.attempt).filter { $0 !== attempt }
  }

  mutating func removeAll() -> [CallAttempt] {
    defer { self = RunningAttempts() }
    return all
  }

  /// Those that nobody has undertaken to flush; the caller does.
  mutating func takeUnscheduled() -> Unscheduled {
    var found = Unscheduled()
    if let record = first, !record.isFlushScheduled {
      first!.isFlushScheduled = true
      found.first = record.attempt
    }
    for index in others.indices where !others[index].isFlushScheduled {
      others[index].isFlushScheduled = true
      found.rest.append(others[index].attempt)
    }
    return found
  }

  struct Unscheduled {
    var first: CallAttempt?
    var rest: [CallAttempt] = []
  }
}
