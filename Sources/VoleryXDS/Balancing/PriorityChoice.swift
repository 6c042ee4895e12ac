package import VoleryTypes

/// Which priority of a cluster is used (gRFC A56): the first that is ready, or may become so within 10 s. A value that decides.
package struct PriorityChoice {
  package static let failoverDelay = Duration.seconds(10)

  /// Of the targets of one priority together.
  private struct Record {
    var state = ConnectivityState.connecting
    /// It has failed, or its time is up; until it is ready again it is passed over.
    var isGivenUp = false
    var isTimed = false
  }

  package enum Timer: Equatable {
    case start(Int)
    case cancel(Int)
  }

  private var records: [Int: Record] = [:]
  private var timers: [Timer] = []

  package init() {}

  package mutating func takeTimers() -> [Timer] {
    defer { timers = [] }
    return timers
  }

  /// Those whose targets have to exist.
  package var wanted: Set<Int> { Set(records.keys) }

  /// - Parameter states: Of each target of the priority that exists.
  package mutating func note(_ priority: Int, _ states: [ConnectivityState]) {
    guard var record = records[priority] else { return }
    let order: [ConnectivityState] = [.ready, .idle, .connecting]
    let state = order.first(where: states.contains) ?? .transientFailure
    switch state {
    case .ready, .idle: record.isGivenUp = false
    case .connecting:
      if record.state == .ready || record.state == .idle { record.isTimed = start(priority, record.isTimed) }
    case .transientFailure, .shutdown: record.isGivenUp = true
    }
    if state != .connecting, record.isTimed {
      timers.append(.cancel(priority))
      record.isTimed = false
    }
    record.state = state
    records[priority] = record
  }

  package mutating func timeIsUp(_ priority: Int) {
    records[priority]?.isTimed = false
    records[priority]?.isGivenUp = true
  }

  /// The priority to use, or to wait for; the first that is not there yet is begun. Nil: there is none at all.
  ///
  /// - Parameter count: How many priorities there are.
  package mutating func choose(count: Int) -> Int? {
    for priority in records.keys where priority >= count {
      if records[priority]?.isTimed == true { timers.append(.cancel(priority)) }
      records[priority] = nil
    }
    for priority in 0..<count {
      guard let record = records[priority] else {
        records[priority] = Record(isTimed: start(priority, false))
        return priority
      }
      if !record.isGivenUp { return priority }
    }
    return (0..<count).first { records[$0]?.state == .connecting } ?? (count > 0 ? count - 1 : nil)
  }

  private mutating func start(_ priority: Int, _ isTimed: Bool) -> Bool {
    if !isTimed { timers.append(.start(priority)) }
    return true
  }
}
