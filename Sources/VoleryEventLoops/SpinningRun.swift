import CLibUV

/// Runs a libuv loop as `LoopSpin` decides: with looks that don't wait, and then one that does. On the loop's thread, but for init.
final class SpinningRun {  // Isolation: loop
  private let uv: UnsafeMutablePointer<uv_loop_t>
  @exclusivity(unchecked) private var spin: LoopSpin
  /// Since when there has been nothing to do; nil: there is something.
  @exclusivity(unchecked) private var idleSince: UInt64?

  /// Nil where the limit is zero.
  init?(_ uv: UnsafeMutablePointer<uv_loop_t>, limit: Duration) {
    guard limit > .zero else { return nil }
    self.uv = uv
    spin = LoopSpin(limit: UInt64(min(limit, LoopSpin.longest) / .nanoseconds(1)))
  }

  /// Until the loop has nothing left that it could wait for.
  func run() {
    while uv_run(uv, looksAgain ? UV_RUN_NOWAIT : UV_RUN_ONCE) != 0 {
      if idleSince == nil { idleSince = uv_hrtime() }
    }
  }

  private var looksAgain: Bool {
    guard let idleSince else { return false }
    return spin.looksAgain(after: uv_hrtime() - idleSince)
  }

  /// The loop has something to do.
  func workCame() {
    guard let since = idleSince else { return }
    idleSince = nil
    spin.ended(uv_hrtime() - since)
  }
}
