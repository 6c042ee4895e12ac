import CLibUV
import VoleryPrimitives

/// A timer that has not fired. On its loop only.
package final class LoopTimer {
  fileprivate let due: UInt64
  fileprivate var work: (() -> Void)?
  fileprivate var index = -1
  fileprivate unowned let queue: TimerQueue

  fileprivate init(due: UInt64, queue: TimerQueue, work: @escaping () -> Void) {
    self.due = due
    self.queue = queue
    self.work = work
  }

  /// The work is not run any more, and let go of. May be called twice, and after the timer has fired.
  package func cancel() { queue.cancel(self) }
}

/// The timers of a loop: a binary heap over one uv_timer, because a loop has one deadline timer for each call and nearly
/// all of them are cancelled.
final class TimerQueue {
  /// Called behind each batch of timers that fired.
  var fired: () -> Void = {}
  private let uvTimer = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)
  private var heap: [LoopTimer] = []
  /// When the uv_timer will go off; it may be too early, never too late.
  private var armed = UInt64.max
  private let after = CacheLines.Padding()
  private static let longest = Duration.seconds(3_155_760_000)

  init(_ loop: UnsafeMutablePointer<uv_loop_t>) {
    uv_timer_init(loop, uvTimer)
    uvTimer.pointee.data = Unmanaged.passUnretained(self).toOpaque()
  }

  func close() {
    uv_close(UnsafeMutableRawPointer(uvTimer).assumingMemoryBound(to: uv_handle_t.self)) { $0?.deallocate() }
    heap = []
  }

  func schedule(after delay: Duration, _ work: @escaping () -> Void) -> LoopTimer {
    // Nobody waits longer than a century, and no sum of times overflows.
    let (seconds, attoseconds) = min(max(delay, .zero), TimerQueue.longest).components
    let wait = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    let timer = LoopTimer(due: uv_hrtime() + wait, queue: self, work: work)
    timer.index = heap.count
    heap.append(timer)
    siftUp(timer.index)
    armIfNeeded()
    return timer
  }

  func cancel(_ timer: LoopTimer) {
    timer.work = nil
    guard timer.index >= 0 else { return }
    remove(at: timer.index)
  }

  private func armIfNeeded() {
    guard let first = heap.first, first.due < armed else { return }
    armed = first.due
    let now = uv_hrtime()
    let milliseconds = first.due > now ? (first.due - now + 999_999) / 1_000_000 : 0
    uv_update_time(uvTimer.pointee.loop)
    uv_timer_start(
      uvTimer, { Unmanaged<TimerQueue>.fromOpaque($0!.pointee.data).takeUnretainedValue().goOff() }, milliseconds, 0)
  }

  private func goOff() {
    armed = .max
    let now = uv_hrtime()
    while let first = heap.first, first.due <= now {
      remove(at: 0)
      first.work.take()?()
    }
    armIfNeeded()
    fired()
  }

  private func remove(at index: Int) {
    heap[index].index = -1
    let last = heap.removeLast()
    guard index < heap.count else { return }
    heap[index] = last
    last.index = index
    siftUp(index)
    siftDown(last.index)
  }

  private func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].due < heap[parent].due else { return }
      swap(child, parent)
      child = parent
    }
  }

  private func siftDown(_ start: Int) {
    var parent = start
    while true {
      var smallest = parent
      for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count {
        if heap[child].due < heap[smallest].due { smallest = child }
      }
      guard smallest != parent else { return }
      swap(smallest, parent)
      parent = smallest
    }
  }

  private func swap(_ left: Int, _ right: Int) {
    heap.swapAt(left, right)
    heap[left].index = left
    heap[right].index = right
  }
}
