import Synchronization
import TestSupport
import Testing
import VoleryPrimitives

@Suite("Waiting in a state behind a lock", .timeLimit(.minutes(1))) struct WaiterListTests {
  private struct State {
    var isOver = false
    var waiters = WaiterList()
  }

  private final class Place: Sendable {
    let state = Mutex(State())
    let returned = Atomic(0)

    func wait() async {
      await state.wait(in: \.waiters) { $0.isOver }
      returned.add(1, ordering: .sequentiallyConsistent)
    }
  }

  @Test("who waits goes on when the list is resumed, all of them, and not before", arguments: [1, 2, 30])
  func resumed(_ count: Int) async throws {
    let place = Place()
    let tasks = (0..<count).map { _ in Task { await place.wait() } }
    // Those that come after it are at once through, so that it does not matter how many wait already.
    try await eventually("somebody waits") { place.state.withLock { !$0.waiters.isEmpty } }
    #expect(place.returned.load(ordering: .sequentiallyConsistent) == 0)
    let waiters = place.state.withLock { state in
      state.isOver = true
      return state.waiters.takeAll()
    }
    waiters.resumeAll()
    for task in tasks { await task.value }
    #expect(place.returned.load(ordering: .sequentiallyConsistent) == count)
    #expect(place.state.withLock { $0.waiters.isEmpty })
  }

  @Test("what is over already is not waited for") func over() async {
    let place = Place()
    place.state.withLock { $0.isOver = true }
    await place.wait()
    #expect(place.state.withLock { $0.waiters.isEmpty })
  }
}
