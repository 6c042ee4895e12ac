import Synchronization
import VoleryNameResolution
import VoleryTypes

/// What a channel's error messages tell of it: its target, what came of dialing, what its resolver has said. Written in the
/// control plane; any thread.
final class ChannelReport: Sendable {
  let dials = Mutex(DialReport())
  let resolver = Mutex(ResolverReport())
  /// The load balancing policy that has had its list of servers, and says nothing.
  let silentPolicy = Mutex<String?>(nil)
  private let target: Target
  private let clock: ChannelClock

  init(target: Target, clock: ChannelClock) {
    self.target = target
    self.clock = clock
  }

  /// - Parameter message: The error's own text: addresses that it names already are left out.
  func text(besides message: String = "") -> String {
    let now = clock.now()
    let dialed = dials.withLock { $0.text(besides: message, at: now) }.map { "; \($0)" } ?? ""
    let silence =
      silentPolicy.withLock { $0 }.map { "; the load balancing policy \"\($0)\" has published no picker" } ?? ""
    return "target \(target)\(dialed); \(resolver.withLock { $0.text(at: now) })\(silence)"
  }
}
