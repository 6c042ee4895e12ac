import Synchronization
import VoleryTypes

/// The statuses of a server's services, and who wants to hear of their changes. Any thread.
final class StatusBoard: Sendable {
  typealias Status = Health.Status

  /// The status now and each change of it; only the newest waits for a slow reader.
  struct Watch: Sendable {
    let id: Int
    let service: String
    let statuses: AsyncStream<Status?>
  }

  private struct State {
    var statuses: [String: Status] = [:]
    /// By service, then by the watch's id.
    var watches: [String: [Int: AsyncStream<Status?>.Continuation]] = [:]
    var watchCount = 0
    var lastID = 0
    var isClosed = false

    func tell(_ status: Status?, of service: String) {
      guard let watches = watches[service] else { return }
      for watch in watches.values { watch.yield(status) }
    }
  }

  private let maxWatches: Int
  private let state = Mutex(State())

  init(maxWatches: Int) { self.maxWatches = maxWatches }

  var all: [String: Status] { state.withLock { $0.statuses } }
  /// Watches that are open.
  var watchCount: Int { state.withLock { $0.watchCount } }

  func status(of service: String) -> Status? { state.withLock { $0.statuses[service] } }

  func set(_ status: Status, for service: String) {
    state.withLock { state in
      guard !state.isClosed, state.statuses[service] != status else { return }
      state.statuses[service] = status
      state.tell(status, of: service)
    }
  }

  func remove(_ service: String) {
    state.withLock { state in
      guard !state.isClosed, state.statuses.removeValue(forKey: service) != nil else { return }
      state.tell(nil, of: service)
    }
  }

  func close() {
    let watches = state.withLock { state in
      state.isClosed = true
      state.statuses = state.statuses.mapValues { _ in .notServing }
      for service in state.statuses.keys { state.tell(.notServing, of: service) }
      defer {
        state.watches = [:]
        state.watchCount = 0
      }
      return state.watches.values.flatMap(\.values)
    }
    // What was told is the last answer; that the streams end lets the server's connections end, too.
    for watch in watches { watch.finish() }
  }

  /// To be ended by `end`. Throws RESOURCE_EXHAUSTED where there are too many.
  func watch(_ service: String) throws(StatusError) -> Watch {
    let (statuses, continuation) = AsyncStream.makeStream(of: Status?.self, bufferingPolicy: .bufferingNewest(1))
    let id: Int? = state.withLock { state in
      guard state.isClosed || state.watchCount < maxWatches else { return nil }
      state.lastID += 1
      continuation.yield(state.statuses[service])
      if state.isClosed {
        continuation.finish()
      } else {
        state.watches[service, default: [:]][state.lastID] = continuation
        state.watchCount += 1
      }
      return state.lastID
    }
    guard let id else {
      throw StatusError(.resourceExhausted, "the server's health is watched \(maxWatches) times, its limit")
    }
    return Watch(id: id, service: service, statuses: statuses)
  }

  func end(_ watch: Watch) {
    state.withLock { state in
      guard state.watches[watch.service]?.removeValue(forKey: watch.id) != nil else { return }
      state.watchCount -= 1
      // Names of services that nobody has are strangers' words.
      if state.watches[watch.service]?.isEmpty == true { state.watches[watch.service] = nil }
    }
  }
}
