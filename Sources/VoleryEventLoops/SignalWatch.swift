import CLibUV
import Synchronization

/// Calls a function when the process gets a signal. Made and closed on any thread; the handler runs on the loop. Whoever else
/// has a handler for the signal would hear nothing more of it: see `isHandledByOthers`.
package final class SignalWatch: @unchecked Sendable {  // Isolation: loop
  /// Watches of each signal that are not closed.
  private static let counts = Mutex<[Int32: Int]>([:])

  /// Whether a function is called for this signal that belongs to no watch. Any thread.
  package static func isHandledByOthers(_ signal: Int32) -> Bool {
    counts.withLock { $0[signal, default: 0] } == 0 && SignalAction(of: signal).callsHandler
  }

  private let signal: Int32
  private let loop: EventLoop
  private let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
  private let handler: @Sendable () -> Void

  package init(_ signal: Int32, on loop: EventLoop, _ handler: @escaping @Sendable () -> Void) {
    self.signal = signal
    self.loop = loop
    self.handler = handler
    SignalWatch.counts.withLock { $0[signal, default: 0] += 1 }
    loop.execute { [self] in
      // Only writes to the handle: the loop has its signal pipe already.
      let code = uv_signal_init(loop.uv, handle)
      precondition(code == 0, "libuv makes no signal handle: error \(code)")
      handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
      uv_signal_start(
        handle,
        { handle, _ in
          let watch = Unmanaged<SignalWatch>.fromOpaque(handle!.pointee.data).takeUnretainedValue()
          watch.handler()
          watch.loop.finishTurn()
        }, signal)
    }
  }

  /// Returns when the signal has its former effect no more: whoever is told now where to send it can send it.
  package func begun() async {
    await withCheckedContinuation { begun in loop.execute { begun.resume() } }
  }

  /// The signal gets its former effect back; returns when that is done. To be awaited before the process ends: libuv takes
  /// its signal machinery down in an exit handler, and a watch that is closed at that moment aborts the process.
  package func close() async {
    await withCheckedContinuation { closed in
      loop.execute { [self] in
        let handle = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        if uv_is_closing(handle) == 0 {
          defer { SignalWatch.counts.withLock { $0[signal, default: 1] -= 1 } }
          uv_close(handle) { handle in
            let watch = Unmanaged<SignalWatch>.fromOpaque(handle!.pointee.data).takeRetainedValue()
            watch.handle.deallocate()
          }
        }
        closed.resume()
      }
    }
  }
}
