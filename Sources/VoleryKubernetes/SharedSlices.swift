import Synchronization

/// What all channels of the process to one Service share: one watch, as long as somebody listens.
final class SharedSlices: Sendable {
  typealias Listener = @Sendable (SliceState) -> Void

  private struct State: Sendable {
    var listeners: [Int: Listener] = [:]
    var nextID = 0
    var latest: SliceState?
    var following: Task<Void, Never>?
  }

  private struct Entry: Sendable {
    weak let slices: SharedSlices?
  }

  private static let entries = Mutex<[SliceFollower.Settings: Entry]>([:])

  private let follower: SliceFollower
  private let state = Mutex(State())

  private init(_ settings: SliceFollower.Settings) { follower = SliceFollower(settings: settings) }

  static func of(_ settings: SliceFollower.Settings) -> SharedSlices {
    entries.withLock { entries in
      if let slices = entries[settings]?.slices { return slices }
      entries = entries.filter { $0.value.slices != nil }
      let slices = SharedSlices(settings)
      entries[settings] = Entry(slices: slices)
      return slices
    }
  }

  /// The listener is told what is known, now and at every change, one call after another; it must not block, nor call back.
  func add(_ listener: @escaping Listener) -> Int {
    state.withLock { state in
      state.nextID += 1
      state.listeners[state.nextID] = listener
      if let latest = state.latest { listener(latest) }
      if state.following == nil {
        state.following = Task { [follower, weak self] in
          await follower.run { [weak self] in self?.tell($0) }
        }
      }
      return state.nextID
    }
  }

  /// The last one that leaves ends the watch; what it said is old from then on.
  func remove(_ id: Int) {
    state.withLock { state in
      state.listeners[id] = nil
      guard state.listeners.isEmpty else { return }
      state.following?.cancel()
      state.following = nil
      state.latest = nil
    }
  }

  private func tell(_ latest: SliceState) {
    state.withLock { state in
      // A watch that is ending has nothing to say.
      guard !Task.isCancelled else { return }
      state.latest = latest
      for listener in state.listeners.values { listener(latest) }
    }
  }
}
