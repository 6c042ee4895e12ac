public import Synchronization
import VoleryPrimitives

/// What a loop runs at this moment, to be looked at from other threads: a job's number, and a tag that says what the job
/// belongs to. Written by the loop with two plain stores for each job.
@usableFromInline
package final class LoopActivity: Sendable {
  package struct Sample: Hashable, Sendable {
    /// Goes up with each job, and with each thing that a job turns to.
    package var job: UInt
    /// Whose job runs now; `idle` between jobs.
    package var tag: UInt

    package init(job: UInt, tag: UInt) {
      self.job = job
      self.tag = tag
    }
  }

  /// No job runs.
  @inlinable package static var idle: UInt { 0 }
  /// A job of a task that has no `LoopWorker`.
  @inlinable package static var unnamed: UInt { 1 }
  /// What looks on while the loop works (`turns`).
  @inlinable package static var observer: UInt { 3 }

  /// Loops are made one after another, and each writes to its own all the time.
  private let before = CacheLines.Padding()
  @usableFromInline let job = Atomic<UInt>(0)
  @usableFromInline let tag = Atomic<UInt>(idle)
  private let after = CacheLines.Padding()

  /// Any thread. The two may belong to different jobs: look twice.
  package var sample: Sample { Sample(job: job.load(ordering: .relaxed), tag: tag.load(ordering: .relaxed)) }

  // On the loop only, so that adding is no read-modify-write.
  @inlinable @inline(__always) func began(_ tag: UInt) {
    job.store(job.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    self.tag.store(tag, ordering: .relaxed)
  }

  /// What runs from now on belongs to this tag. On the loop only.
  ///
  /// - Returns: Whose it was before.
  @discardableResult
  @inlinable package func turns(to tag: UInt) -> UInt {
    defer { began(tag) }
    return self.tag.load(ordering: .relaxed)
  }

  @inline(__always) func ended() { tag.store(LoopActivity.idle, ordering: .relaxed) }
}

/// Runs a task on a loop as the loop itself would, and says what its jobs belong to while they run. A task prefers it as its
/// executor, and so do the task's children.
package final class LoopWorker: TaskExecutor, @unchecked Sendable {  // Isolation: loop
  private let loop: EventLoop
  /// Not `LoopActivity.idle`. On the loop only.
  @exclusivity(unchecked) private(set) var tag = LoopActivity.unnamed

  package init(loop: EventLoop) { self.loop = loop }

  /// What runs in this job from now on belongs to something else: a job may serve several, one after another. On the loop
  /// only.
  package func turnsTo(_ tag: UInt) {
    self.tag = tag
    loop.activity.began(tag)
  }

  package func enqueue(_ job: consuming ExecutorJob) { loop.enqueue(LoopJob(UnownedJob(job), worker: self)) }
}

/// A job that waits for its loop.
struct LoopJob {  // Isolation: loop
  let job: UnownedJob
  /// The job's task prefers it, and keeps it alive.
  unowned(unsafe) let worker: LoopWorker?

  init(_ job: UnownedJob, worker: LoopWorker?) {
    self.job = job
    self.worker = worker
  }
}
