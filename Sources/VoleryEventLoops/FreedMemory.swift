import CLibUV
import Synchronization
import VoleryPlatform
import VoleryPrimitives

/// Gives memory that is freed back to the system once a burst of large messages is over: malloc keeps what lies below any
/// block that is still in use, and what `HeapThreshold` has it keep (malloc_trim(3); nothing elsewhere than with glibc).
///
/// Any thread. Told by connections in steps of some ten KiB: small calls never come here.
package final class FreedMemory: Sendable {
  package static let shared = FreedMemory(isOn: HeapUse.setting.use().givesBackAfterBursts)

  private let isOn: Bool
  private let burst = Mutex(MessageBurst())

  private init(isOn: Bool) { self.isOn = isOn }

  /// So many bytes of messages were taken in, or let go of. On `loop`, where a timer looks after it.
  package func moved(_ byteCount: Int, on loop: EventLoop) {
    guard isOn, burst.withLock({ $0.moved(byteCount, now: .now) }) else { return }
    lookLater(on: loop)
  }

  private func lookLater(on loop: EventLoop) {
    _ = loop.schedule(after: MessageBurst.interval) { [self] in
      switch burst.withLock({ $0.looked(now: .now) }) {
      case .nothing: return
      case .wait: lookLater(on: loop)
      case .giveBack: FreedMemory.giveBack()
      }
    }
  }

  /// On a thread of its own, for a gigabyte takes it a good part of a second.
  private static func giveBack() {
    #if canImport(Glibc)
      _ = ThreadCalls.start { malloc_trim(0) }
    #endif
  }
}
